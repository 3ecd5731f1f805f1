"""Memory, open files and threads of a worker that lives long enough: do they stay flat? Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .lives import Life, Sample

RSS_MIB: Final = 16.0
FILES: Final = 40
THREADS: Final = 24
"""How much more the median of the last quarter may be than that of the second one. Open calls and busy disk threads
come and go with the load (up to 64 and 41); a leak is told from them by `AT_REST`."""

AT_REST: Final = Sample(0, 0, 90, 48)
"""What a worker may have left of files and threads some seconds after the last take: about 20 files, up to 64
connections, which are kept for 240 s, and 41 disk threads, which go when others are asked for."""

FEWEST: Final = 40
"""Samples below which nothing can be said: about ten seconds."""


@dataclass(frozen=True, slots=True)
class Flat:
    """One long life: medians of its second and its last quarter."""

    worker: int
    seconds: float
    early: Sample
    late: Sample
    peak: Sample

    @property
    def problems(self) -> list[str]:
        grown = {
            f"{self.late.rss_mib - self.early.rss_mib:.1f} MiB": self.late.rss_mib - self.early.rss_mib > RSS_MIB,
            f"{self.late.files - self.early.files} open files": self.late.files - self.early.files > FILES,
            f"{self.late.threads - self.early.threads} threads": self.late.threads - self.early.threads > THREADS,
        }
        return [f"worker {self.worker} grew by {what} in {self.seconds:.0f} s" for what, much in grown.items() if much]


def flat(life: Life, loaded_at: float | None) -> Flat | None:
    """Return how flat a life was from when the AI's SDK was loaded; None if that was too short to tell.

    The first quarter is left out: pools fill and the allocator finds its size.
    """
    samples = [sample for sample in life.samples if loaded_at is not None and sample.at > loaded_at]
    if len(samples) < FEWEST:
        return None
    quarter = len(samples) // 4
    peak = Sample(
        0,
        max(sample.rss_mib for sample in samples),
        max(sample.files for sample in samples),
        max(sample.threads for sample in samples),
    )
    seconds = samples[-1].at - samples[0].at
    return Flat(life.number, seconds, _median(samples[quarter : 2 * quarter]), _median(samples[-quarter:]), peak)


def not_at_rest(life: Life) -> list[str]:
    """Return what a worker that has had nothing to do for a while still holds too much of."""
    last = life.samples[-1]
    held = {
        f"{last.files} open files": last.files > AT_REST.files,
        f"{last.threads} threads": last.threads > AT_REST.threads,
    }
    return [f"worker {life.number} still holds {what} at rest" for what, much in held.items() if much]


def _median(samples: Sequence[Sample]) -> Sample:
    return Sample(
        samples[0].at,
        round(statistics.median(sample.rss_mib for sample in samples), 1),
        round(statistics.median(sample.files for sample in samples)),
        round(statistics.median(sample.threads for sample in samples)),
    )
