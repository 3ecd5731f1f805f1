"""Reading numbers, in digits and in English words: `41.5`, `41,5`, `1,200`, `forty-one point five`, `third`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from sg_hybrid.errors import AiRejected

from .words import Words


class Numeral(NamedTuple):
    """A number as it stands in words `start` to `end`, with how many decimals it was written."""

    value: float
    decimals: int
    start: int
    end: int
    ordinal: bool = False


_SMALL: Final = {
    word: value
    for value, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
            *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        )
    )
}
_TENS: Final = {
    word: 10 * value
    for value, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
} | {"fourty": 40, "ninty": 90}
_SCALES: Final = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_ORDINALS: Final = {
    word: value
    for value, word in enumerate(
        (
            *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
            *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
            *("eighteenth", "nineteenth", "twentieth"),
        ),
        start=1,
    )
} | {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
_VAGUE: Final = frozenset({"dozen", "dozens", "hundreds", "thousands", "millions", "billions", "umpteen"})
_WORDS: Final = frozenset({*_SMALL, *_TENS, *_SCALES, *_VAGUE, *_ORDINALS})

_GLUED: Final = re.compile(
    r"[^\W\d]\d|\d(?!(?:ms|msecs?|millis|milliseconds?|bpm|st|nd|rd|th|ths|x|s|sec|secs|pct|percent|bars?|beats?)\b)"
    r"[^\W\d]"
)
_BARE_POINT: Final = re.compile(r"(?<![\d.])\.(?=\d)")
_DIGIT: Final = re.compile(r"\d")
_PLAIN: Final = re.compile(r"\d{1,9}")
_DECIMAL: Final = re.compile(r"(\d{1,9})[.,](\d{1,6})")
_GROUPED: Final = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")
_COUNTED: Final = re.compile(r"\d(?:,\d){2,}")


def has_number(words: Words) -> bool:
    """Return whether a text holds a number, in digits or in words."""
    if not _WORDS.isdisjoint(words.vocabulary) or _DIGIT.search(words.text):
        return True
    return not words.text.isascii() and any(map(str.isnumeric, words.text))


def readable(text: str) -> str:
    """Return `text` with every number in a form that `numerals` reads. Raises AiRejected if one has no such form."""
    if not text.isascii() and any(character.isnumeric() and not character.isascii() for character in text):
        raise AiRejected("a number in a script that is not read")
    if _GLUED.search(text):
        raise AiRejected("a number inside a word")
    return _BARE_POINT.sub("0.", text) if "." in text else text


def numerals(words: Sequence[str]) -> list[Numeral]:
    """Return the numbers of a text in order. Raises AiRejected for one that cannot be read."""
    found: list[Numeral] = []
    index = 0
    while index < len(words):
        if words[index] in _WORDS or words[index][0].isdecimal():
            found += _read(words, index)
            index = found[-1].end
        else:
            index += 1
    return found


def _read(words: Sequence[str], index: int) -> list[Numeral]:
    """Return the numbers that begin at `index` (several for `1,2,3,4`)."""
    word = words[index]
    if word[0].isdecimal():
        return [Numeral(value, decimals, index, index + 1) for value, decimals in _digits(word)]
    if word in _VAGUE:
        raise AiRejected(f"a number that stands in no fact ({word})")
    if word in _ORDINALS:
        return [Numeral(_ORDINALS[word], 0, index, index + 1, ordinal=True)]
    return [_spelled(words, index)]


def _digits(word: str) -> list[tuple[float, int]]:
    if _PLAIN.fullmatch(word):
        return [(float(word), 0)]
    if _GROUPED.fullmatch(word):
        return [(float(word.replace(",", "")), 0)]
    decimal = _DECIMAL.fullmatch(word)
    if decimal:
        return [(float(f"{decimal[1]}.{decimal[2]}"), len(decimal[2]))]
    if _COUNTED.fullmatch(word):
        return [(float(digit), 0) for digit in word.split(",")]
    raise AiRejected("a number that cannot be read")


def _spelled(words: Sequence[str], start: int) -> Numeral:
    """Read `forty-one`, `a hundred and eight`, `forty-one point five`."""
    value, index = _below_hundred(words, start)
    while _at(words, index) in _SCALES:
        value = max(value, 1) * _SCALES[words[index]]
        rest = index + 2 if _at(words, index + 1) == "and" else index + 1
        index += 1
        if _at(words, rest) in _SMALL or _at(words, rest) in _TENS:
            more, index = _below_hundred(words, rest)
            value += more
    if _at(words, index) == "point" and _at(words, index + 1) in _SMALL:
        return _with_decimals(words, value, start, index + 1)
    return Numeral(value, 0, start, index)


def _with_decimals(words: Sequence[str], value: int, start: int, index: int) -> Numeral:
    digits = ""
    while _at(words, index) in _SMALL:
        digits += str(_SMALL[words[index]])
        index += 1
    return Numeral(float(f"{value}.{digits}"), len(digits), start, index)


def _below_hundred(words: Sequence[str], index: int) -> tuple[int, int]:
    word = words[index]
    if word in _SCALES:
        return 0, index
    if word in _SMALL:
        return _SMALL[word], index + 1
    ones = index + 2 if _at(words, index + 1) == "-" else index + 1
    if 1 <= _SMALL.get(_at(words, ones), 0) <= 9:
        return _TENS[word] + _SMALL[words[ones]], ones + 1
    return _TENS[word], index + 1


def _at(words: Sequence[str], index: int) -> str:
    return words[index] if index < len(words) else ""
