"""Whether a text is English prose of a coach, and not the prompt, a program or another language. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Final

from sg_hybrid.errors import AiRejected
from sg_hybrid.prompt import system_prompt

from .known import Known
from .words import Words, vocabulary

ECHO: Final = 8
"""So many words in a row from the prompt are an echo of it."""
ENGLISH_SHARE: Final = 0.4
"""So many of the telling words must be known ones."""
_CODE: Final = re.compile(r"[{}`\\|<>]|[a-z]_[a-z]|\[\w*\]")
_MACHINE: Final = vocabulary(
    """
    json markdown prompt prompts schema assistant chatbot openai anthropic claude chatgpt gpt llm null undefined nan
    boolean array
    """
)
_TASK: Final = re.compile(
    r"\b(?:as an ai|language model|system message|system prompt|the (?:facts|data|input) (?:you|provided|given)"
    r"|you are a calm guitar teacher|i (?:cannot|can't|am unable|am sorry|apologi[sz]e)|i'm sorry"
    r"|here is (?:the|your|a)|here's (?:the|your|a) (?:tip|json|reply|feedback|answer)"
    r"|ignore (?:all|previous|the)|my instructions|according to the|based on the"
    r"|the (?:user|player) (?:wants|asks|needs))\b|^(?:output|answer|reply|response):"
)
_TASK_WORDS: Final = vocabulary(
    """
    ai model system facts data input calm i i'm here here's ignore my according based user player output answer reply
    response
    """
)
_ENGLISH: Final = vocabulary(files(__package__).joinpath("english.txt").read_text(encoding="utf-8"))
"""The words that a coach uses, one a line; a good text that is refused as foreign wants a word more there."""
_SHARED: Final = vocabulary(
    """
    no me a i in on so do as an am is of to us we he she his her my or if by at be go it its was all bar bars tempo
    solo son die den man rest take note notes set up van ten over melody key clip tip best bass
    """
)
"""English words that other languages have too: they tell nothing."""
_PROOF: Final = _ENGLISH - _SHARED


def check_language(words: Words, known: Known) -> None:
    """Raise AiRejected for code, for talk about the task, for an echo of the prompt, and for other languages."""
    text = words.text.replace(known.label, "it") if "_" in words.text and known.label else words.text
    if _CODE.search(text) or not _MACHINE.isdisjoint(words.vocabulary):
        raise AiRejected("machine language instead of prose")
    if not _TASK_WORDS.isdisjoint(words.vocabulary) and _TASK.search(text):
        raise AiRejected("talk about the task instead of coaching")
    plain = [word for word in words.words if word[0].isalnum()]
    _check_english(plain)
    _check_echo(plain)


def _check_english(words: list[str]) -> None:
    telling = [word for word in words if word not in _SHARED and word[0].isalpha()]
    if any(not word.isascii() and not _is_latin(word) for word in telling):
        raise AiRejected("another script than Latin")
    proved = sum(word in _PROOF for word in telling)
    if not proved or proved < ENGLISH_SHARE * len(telling):
        raise AiRejected("another language than English")


def _is_latin(word: str) -> bool:
    return all(character < "\u0250" or "\u1e00" <= character < "\u1f00" for character in word)


def _check_echo(words: list[str]) -> None:
    runs = zip(*(words[start:] for start in range(ECHO)), strict=False)
    if not _prompt_runs().isdisjoint(runs):
        raise AiRejected("an echo of the prompt")


@lru_cache(maxsize=1)
def _prompt_runs() -> frozenset[tuple[str, ...]]:
    """Return every run of ECHO words of the prompt; its examples of the voice are meant to be spoken."""
    rules, _, _ = system_prompt().partition("## Examples")
    words = [word for word in Words(rules).words if word[0].isalnum()]
    return frozenset(tuple(words[start : start + ECHO]) for start in range(len(words) - ECHO + 1))
