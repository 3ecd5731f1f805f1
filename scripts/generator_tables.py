"""The tables of docs/generator.md: the styles, and how the chord symbols of four corpora are read.

python scripts/generator_tables.py FOLDER    (the folder that holds symbols.jsonl)

A reading is right if the data give notes and it has them (all required, none that is not allowed, the bass), or if it
is in Harte's notation and mir_eval, the field's own reader of it, gives the same notes. What neither of the two knows
is read by the rules of its dialect and counted apart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sg_generator.chords import Chord, NoChord, read_chord, run_together  # noqa: E402 - the root comes first
from sg_generator.notes import note_name  # noqa: E402
from sg_generator.styles import STYLES  # noqa: E402

DOCS: Final = ROOT / "docs" / "generator.md"
BEGIN: Final = "<!-- chords: written by scripts/generator_tables.py -->\n"
END: Final = "<!-- end of chords -->"
STYLES_BEGIN: Final = "<!-- styles: written by scripts/generator_tables.py -->\n"
STYLES_END: Final = "<!-- end of styles -->"

DIALECTS: Final[Mapping[str, str]] = {
    "openewld": "OpenEWLD (lead sheets)",
    "irb": "iRb (iRealPro)",
    "wjd": "Weimar Jazz Database",
    "billboard_harte": "Billboard (Harte)",
}


class Verdict(StrEnum):
    """What became of a symbol."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_REFERENCE = "no reference"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Judged:
    """A symbol of the corpus, how often it stands there, and how it was read."""

    symbol: str
    uses: int
    dialect: str
    verdict: Verdict
    reading: str


def judge(row: Mapping[str, Any]) -> Judged:
    """Return the verdict on one row of symbols.jsonl."""
    symbol, dialect = row["symbol"], row["dialect"]
    try:
        chords: tuple[Chord, ...] = (read_chord(symbol),)
    except NoChord as error:
        parts = run_together(symbol)
        if not parts:
            return Judged(symbol, row["count"], dialect, Verdict.REFUSED, str(error))
        chords = tuple(map(read_chord, parts))
    reading = ", ".join(map(_notes, chords))
    return Judged(symbol, row["count"], dialect, _verdict(row, chords), reading)


def _verdict(row: Mapping[str, Any], chords: Sequence[Chord]) -> Verdict:
    if "required_pitch_classes" in row:
        return Verdict.RIGHT if len(chords) == 1 and _fits(row, chords[0]) else Verdict.WRONG
    if row["dialect"] == "billboard_harte":
        return Verdict.RIGHT if len(chords) == 1 and _is_as_in_mir_eval(row["symbol"], chords[0]) else Verdict.WRONG
    return Verdict.NO_REFERENCE


def _fits(row: Mapping[str, Any], chord: Chord) -> bool:
    required, allowed = set(row["required_pitch_classes"]), set(row["also_allowed"])
    notes = chord.pitch_classes
    return (
        required <= notes | {chord.bass}
        and notes <= required | allowed
        and chord.bass == row.get("bass_pitch_class", chord.root)
    )


def _is_as_in_mir_eval(symbol: str, chord: Chord) -> bool:
    from mir_eval import chord as oracle

    root, bitmap, bass = oracle.encode(symbol, reduce_extended_chords=True)
    degrees = oracle.split(symbol, reduce_extended_chords=True)[2]
    notes = {(root + step) % 12 for step in range(12) if bitmap[step]}
    notes |= {(root + oracle.scale_degree_to_semitone(degree)) % 12 for degree in degrees}
    where = (root + bass) % 12
    return chord.pitch_classes | {chord.bass} == notes | {where} and (chord.root, chord.bass) == (root, where)


def _notes(chord: Chord) -> str:
    names = " ".join(note_name(chord.root + tone) for tone in chord.tones) or "silence"
    return names if chord.bass == chord.root else f"{names} / {note_name(chord.bass)}"


def judged(folder: Path) -> list[Judged]:
    """Return the verdicts on all symbols of a folder."""
    lines = (folder / "symbols.jsonl").read_text("utf-8").splitlines()
    return [judge(json.loads(line)) for line in lines]


def table(found: Sequence[Judged]) -> str:
    """Return the tables as Markdown."""
    rows = [
        "| corpus | symbols | uses | right | read, no reference | wrong | refused |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for dialect, title in DIALECTS.items():
        rows.append(_row(title, [one for one in found if one.dialect == dialect]))
    rows.append(_row("all", found))
    bad = [one for one in found if one.verdict in (Verdict.WRONG, Verdict.REFUSED)]
    reasons = [f"- `{one.symbol}` ({one.uses}): {one.verdict}, {one.reading}" for one in bad]
    unknown = [one for one in found if one.verdict is Verdict.NO_REFERENCE]
    unknown.sort(key=lambda one: (-one.uses, one.symbol))
    shown = [f"| `{one.symbol}` | {one.uses} | {one.reading} |" for one in unknown[:SHOWN]]
    return "\n".join(
        [
            *rows,
            "",
            *(reasons or ["None is wrong, none is refused."]),
            "",
            f"The {SHOWN} most frequent of the {len(unknown)} symbols without a reference, and how they are read:",
            "",
            "| symbol | uses | notes from the root up |",
            "|---|--:|---|",
            *shown,
            "",
        ]
    )


SHOWN: Final = 24
"""Most symbols without a reference that the page lists."""


def _row(title: str, found: Sequence[Judged]) -> str:
    uses = {verdict: sum(one.uses for one in found if one.verdict is verdict) for verdict in Verdict}
    cells: Iterable[int] = (
        len(found),
        sum(uses.values()),
        uses[Verdict.RIGHT],
        uses[Verdict.NO_REFERENCE],
        uses[Verdict.WRONG],
        uses[Verdict.REFUSED],
    )
    return f"| {title} | " + " | ".join(f"{cell:,}" for cell in cells) + " |"


def styles_table() -> str:
    """Return the styles as Markdown."""
    rows = ["| style | its meters | usual bpm | eighths | chords a bar | what it is |", "|---|---|--:|---|---|---|"]
    for style in STYLES.values():
        meters, counts = ", ".join(style.meters), " · ".join(map(str, style.density))
        rows.append(f"| `{style.name}` | {meters} | {style.tempo_bpm:g} | {style.feel} | {counts} | {style.note} |")
    return "\n".join([*rows, ""])


def with_styles(text: str) -> str:
    """Return the page with the table of styles made anew."""
    return _between(text, STYLES_BEGIN, STYLES_END, styles_table())


def with_chords(text: str, folder: Path) -> str:
    """Return the page with the table of symbols made anew."""
    return _between(text, BEGIN, END, table(judged(folder)))


def _between(text: str, begin: str, end: str, content: str) -> str:
    before, _, rest = text.partition(begin)
    return before + begin + "\n" + content + end + rest.partition(end)[2]


def main(argv: Sequence[str]) -> int:
    """Write the tables into the page."""
    if len(argv) != 1:
        print("usage: generator_tables.py FOLDER (with symbols.jsonl)", file=sys.stderr)
        return 2
    DOCS.write_text(with_chords(with_styles(DOCS.read_text("utf-8")), Path(argv[0])), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
