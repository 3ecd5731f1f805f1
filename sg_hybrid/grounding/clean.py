"""What an AI text must be before a player reads it. Pure, and quick: some ten microseconds a text.

A text is refused, never repaired, if it holds what nobody sees or what leads away: control and ANSI characters, C1,
bidi, zero-width and tag characters (Unicode TR 36 and TR 39), lone surrogates, links, markup. What is merely untidy is
tidied: NFC, white space folded, cut at a sentence end within the limit.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Final

from sg_hybrid.errors import AiRejected
from sg_hybrid.models import MAX_TEXT, AiReply

_HIDDEN_RANGES: Final = (
    (0x00, 0x08),  # C0 controls, but tab, newline, vertical tab, form feed, carriage return: those fold to a blank
    (0x0E, 0x1F),
    (0x7F, 0x9F),  # DEL and C1
    (0xAD, 0xAD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers, also 3164 and FFA0
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),  # Mongolian selectors
    (0x200B, 0x200F),  # zero width, directional marks
    (0x202A, 0x202E),  # bidi embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, bidi isolates
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),  # lone surrogates
    (0xE000, 0xF8FF),  # private use
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),  # interlinear annotations
    (0xFFFE, 0xFFFF),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),  # invisible musical signs
    (0xE0000, 0x10FFFF),  # tags, more selectors, private planes
)
_HIDDEN: Final = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in _HIDDEN_RANGES) + "]")
_LEADS_AWAY: Final = re.compile(
    r"://|www\.|(?<![a-z])(?:javascript|data|mailto|vbscript|file|tel):\S|\][(\[]|</?[a-z!]"
    r"|(?<=[a-z0-9-])\.(?:com|net|org|io|ai|app|dev|info|biz|xyz|ru|cn|top|link|site|online|shop|ly|gg|tv)\b"
    r"|(?<=[a-z0-9-])\.[a-z]{2,}/"
    r"|\*\*|__|~~|`|&(?:#\w+|[a-z]+);|^(?:#{1,6}|[-*+>]) ",
)
_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"'”’)]*(?=\s|$)|[。！？]")


def clean_text(text: str, *, limit: int = MAX_TEXT) -> str | None:
    """Return `text` in NFC with white space folded, cut at the last sentence end within `limit` characters.

    None if it is blank. Raises AiRejected if it holds hidden characters, a link or markup, or if it is too long and has
    no sentence end to be cut at.
    """
    hidden = _hidden_in(text)
    if hidden:
        raise AiRejected(f"a hidden or control character (U+{ord(hidden):04X})")
    tidy = " ".join(unicodedata.normalize("NFC", text).split())
    seen = tidy if tidy.isascii() else unicodedata.normalize("NFKC", tidy)  # a full-width link is a link
    if _LEADS_AWAY.search(seen.lower()):
        raise AiRejected("a link or markup")
    return _cut(tidy, limit) or None


def _hidden_in(text: str) -> str | None:
    """Return the first hidden character: of the table, or one that this Python's Unicode calls a format character."""
    found = _HIDDEN.search(text)
    if found:
        return found.group()
    return None if text.isascii() else next((one for one in text if unicodedata.category(one) == "Cf"), None)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, limit + 1) if found.end() <= limit]
    if not ends:
        raise AiRejected(f"{len(text)} characters without a sentence end within the first {limit}")
    return text[: ends[-1]]


def clean_reply(reply: AiReply) -> AiReply:
    """Return `reply` with its texts cleaned. Raises AiRejected, naming the field, also if no text is left."""
    cleaned = replace(
        reply,
        coaching_tip=_clean_field("coaching_tip", reply.coaching_tip),
        timing_insight=_clean_field("timing_insight", reply.timing_insight),
        exercise_hint=_clean_field("exercise_hint", reply.exercise_hint),
    )
    if not cleaned.says_something:
        raise AiRejected("the reply says nothing")
    return cleaned


def _clean_field(name: str, text: str | None) -> str | None:
    try:
        return None if text is None else clean_text(text)
    except AiRejected as error:
        raise AiRejected(f"{name}: {error}") from error
