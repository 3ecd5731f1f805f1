"""What the soak found: figures, a block for the docs, a plot."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .accounts import WORDS, Accounts
from .conductor import Soak
from .flatness import Flat
from .lives import Life
from .troubles import CALM, FULL

BEGIN, END = "<!-- soak: written by make soak -->", "<!-- soak: end -->"
_INK: Final = "#22313f"
_COLOURS: Final = ("#1f6f8b", "#c77d3b")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one soak found. `violations` empty: all of it held."""

    soak: Soak
    accounts: Accounts
    flats: Sequence[Flat]
    violations: Sequence[str]
    looks: int
    out_of_order: int
    without_entry: int
    command: str

    def markdown(self) -> str:
        """Return the block for docs/reliability.md."""
        soak, accounts = self.soak, self.accounts
        ends = Counter(life.how for life in soak.lives)
        done = Counter(happened.event.what for happened in soak.happened)
        full = f"{done['disk_full']} times full" if soak.place.can_fill else "never full (no mount allowed here)"
        lines = [
            f"`{self.command}`: **{len(self.violations)} violations**.",
            "",
            f"{len(soak.notes.played):,} takes in {len(soak.sessions):,} sessions, {soak.seconds / 60:.1f} minutes; "
            f"{len(soak.lives)} workers ({ends['kill']} SIGKILL, {ends['term']} SIGTERM, "
            f"{ends['term_twice']} SIGTERM twice), {soak.processes.generation} services, {done['clock']} clock steps, "
            f"{done['freeze']} times frozen, {done['switch_off']} times switched off, disk {full}. "
            f"{self.looks:,} looks at single instants. {self.out_of_order} takes were admitted out of playing order "
            f"(allowed: the order is that of arrival), {self.without_entry} have no entry in the session index (killed "
            "before it was written, and replaced by a new take before the next start).",
            "",
            f"| the {sum(accounts.ended.values()):,} valid replies that were sent to the last byte | |",
            "|---|---|",
            *(f"| {words} | {accounts.ended[kind]:,} |" for kind, words in WORDS.items()),
            "",
            "| long lives | seconds | memory, MiB | open files | threads |",
            "|---|---|---|---|---|",
            *(
                f"| worker {flat.worker}: second quarter → last quarter (peak) | {flat.seconds:.0f} | "
                f"{flat.early.rss_mib} → {flat.late.rss_mib} ({flat.peak.rss_mib}) | "
                f"{flat.early.files} → {flat.late.files} ({flat.peak.files}) | "
                f"{flat.early.threads} → {flat.late.threads} ({flat.peak.threads}) |"
                for flat in self.flats
            ),
            f"| worker {soak.lives[-1].number} at rest, at the end | | {soak.lives[-1].samples[-1].rss_mib} | "
            f"{soak.lives[-1].samples[-1].files} | {soak.lives[-1].samples[-1].threads} |",
            "",
            "![memory, open files and threads over the soak](soak.svg)",
        ]
        return "\n".join([*lines, *(f"- {violation}" for violation in self.violations[:20])])

    def plot(self) -> bytes:
        """Return the plot, as SVG."""
        import matplotlib as mpl

        mpl.use("svg")
        mpl.rcParams.update({"svg.hashsalt": "soak", "font.size": 8, "text.color": _INK})
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(9, 5.5), layout="constrained")
        for axis, (name, label) in zip(axes, _ROWS, strict=True):
            self._shade(axis)
            for life in self.soak.lives:
                _draw(axis, life, name, self.soak.began)
            axis.set_ylabel(label)
            axis.set_ylim(bottom=0)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0].set_title("Each line is one worker process; grey: left alive, red: disk full")
        axes[-1].set_xlabel("seconds")
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        return out.getvalue()

    def _shade(self, axis: Any) -> None:
        for parts, colour in ((CALM, "#eeeeee"), (FULL if self.soak.place.can_fill else (), "#f6d5d0")):
            for begin, end in parts:
                axis.axvspan(begin * self.soak.seconds, end * self.soak.seconds, color=colour, linewidth=0)


_ROWS: Final = (("rss_mib", "memory, MiB"), ("files", "open files"), ("threads", "threads"))


def _draw(axis: Any, life: Life, name: str, began: float) -> None:
    step = max(len(life.samples) // 120, 1)
    samples = life.samples[::step]
    times = [round(sample.at - began, 1) for sample in samples]
    axis.plot(times, [getattr(sample, name) for sample in samples], color=_COLOURS[life.number % 2], linewidth=0.8)


def write_docs(report: Report, docs: Path) -> None:
    """Put the plot and the block into the docs."""
    page = docs / "reliability.md"
    head, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{report.markdown()}\n{END}{tail}", "utf-8")
    (docs / "soak.svg").write_bytes(report.plot())
