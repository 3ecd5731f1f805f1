"""A text as words: lower case, numbers and signs as words of their own, in sentences and clauses. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+(?:[.,]\d+)*|[^\s\w\x22]|_")
_PLAIN: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "−": "-", "‐": "-", "‑": "-"})
ENDS: Final = frozenset(".!?;:—…")
_TURNS: Final = ENDS | frozenset({",", "(", ")", "but", "while", "whereas", "though", "although", "yet"})
_WARNINGS: Final = frozenset(
    {"don't", "dont", "avoid", "without", "instead", "neither", "nor", "resist", "whether", "if"}
)
_WARNING_PAIRS: Final = frozenset({("do", "not"), ("to", "not"), ("on", "not"), ("not", "to"), ("rather", "than")})
_DENIALS: Final = frozenset(
    {"no", "none", "nothing", "not", "never", "nobody", "zero", "isn't", "aren't", "wasn't", "weren't", "hardly"}
)
_TELLERS: Final = frozenset(
    {"you", "your", "you're", "you've", "the", "beat", "beats", "it", "it's", "all", "most", "some", "every", "each"}
    | {"that", "this", "these", "they", "notes", "and", "i", "nothing", "on", "at"}
)
"""A clause that begins so tells something; others give an order."""
REACH: Final = 5
"""So many words before a word can turn its meaning."""


def vocabulary(words: str) -> frozenset[str]:
    """Return the words of a list that is written as text."""
    return frozenset(words.split())


class Words:
    """The words of a text, and where its sentences and clauses lie in them."""

    def __init__(self, text: str) -> None:
        self.text = text.lower() if text.isascii() else text.translate(_PLAIN).lower()
        """In lower case, with plain quotes and dashes."""
        self.words: list[str] = _WORD.findall(self.text)
        self.vocabulary = frozenset(self.words)
        self._clause_at: list[range] = []

    @property
    def sentences(self) -> list[range]:
        """Where the sentences lie; a semicolon and a colon end one too."""
        return _ranges(self.words, ENDS)

    def clause_of(self, index: int) -> range:
        """Return where the clause lies that the word at `index` stands in."""
        if not self._clause_at:
            self._clause_at = [span for span in _ranges(self.words, _TURNS) for _ in span]
        return self._clause_at[index]

    def clauses(self, sentence: range) -> list[range]:
        """Return where the clauses of a sentence lie."""
        return list(dict.fromkeys(map(self.clause_of, sentence)))

    def before(self, index: int, reach: int = REACH) -> list[str]:
        """Return up to `reach` words of the same clause before `index`."""
        return self.words[max(self.clause_of(index).start, index - reach) : index]

    def after(self, index: int, reach: int = REACH) -> list[str]:
        """Return up to `reach` words of the same clause after `index`."""
        return self.words[index + 1 : min(self.clause_of(index).stop, index + 1 + reach)]

    def is_warned_of(self, index: int) -> bool:
        """Whether the word at `index` is warned of or asked about (`do not rush`, `early or late?`)."""
        before = self.before(index)
        if not _WARNINGS.isdisjoint(before) or not _WARNING_PAIRS.isdisjoint(pairwise(before)):
            return True
        if self._corrects_an_order(index):
            return True
        return before[-1:] == ["from"] or "or" in before[-2:] or "or" in self.after(index, 2)

    def _corrects_an_order(self, index: int) -> bool:
        """`Land on the click, not ahead of it`; not: `your notes are on the click, not ahead of it`."""
        start = self.clause_of(index).start
        if not start or self.words[start] != "not" or index > start + 2:
            return False
        return self.words[self.clause_of(start - 1).start] not in _TELLERS

    def is_denied(self, index: int) -> bool:
        """Whether the word at `index` is denied (`nothing came late`)."""
        return not _DENIALS.isdisjoint(self.before(index))


def _ranges(words: Sequence[str], ends: frozenset[str]) -> list[range]:
    found, start = [], 0
    for index, word in enumerate(words):
        if word in ends:
            found.append(range(start, index + 1))
            start = index + 1
    if start < len(words):
        found.append(range(start, len(words)))
    return found
