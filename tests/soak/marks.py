"""A made-up word in each reply, by which it is known again wherever it ends. Pure."""

from __future__ import annotations

import re
from typing import Final

_CONSONANTS: Final = "bdfgklmnprstvz"
_VOWELS: Final = "aeiou"
_SYLLABLES: Final = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
_LENGTH: Final = 5
_MARK: Final = re.compile(rb"\bqo(?:[a-z]{2}){5}\b")


def mark_of(number: int) -> str:
    """Return the word of reply `number` (0 to 70⁵ - 1): twelve letters, no word of a language, no digits."""
    word = ""
    for _ in range(_LENGTH):
        number, syllable = divmod(number, len(_SYLLABLES))
        word += _SYLLABLES[syllable]
    return "qo" + word


def marks_in(data: bytes) -> list[str]:
    """Return the words in a document, each once."""
    return sorted({found.decode() for found in _MARK.findall(data)})
