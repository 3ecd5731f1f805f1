"""The generator as a program of its own, for the demo: the two packages meet on the disk alone."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from sg_coach.jsontext import parse_json_object
from sg_coach.models import Decision

from .errors import HybridError

CHORDS: Final = "Ebmaj7 | Ebmaj7 | F7 | F7 | Fm7 | Bb7 | Ebmaj7 | Bb7"
STYLE: Final = "bossa"
GENERATES_WITHIN_S: Final = 30.0

_NEEDED: Final = ("sg_generator", "mido", "fastapi", "uvicorn", "structlog")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the generator is asked for, beside the chords: beats a minute, bucket names, which variation."""

    tempo_bpm: float
    density: str = "medium"
    syncopation: str = "light"
    seed: int = 0

    def following(self, decision: Decision) -> Wish:
        """The next wish: what the coach decided, to the letter."""
        tempo = self.tempo_bpm + decision.tempo_delta_bpm
        return Wish(tempo, decision.density_bucket, decision.syncopation_bucket, self.seed + 1)

    def __str__(self) -> str:
        return f"{self.tempo_bpm:g} bpm, density {self.density}, syncopation {self.syncopation}"


def is_installed() -> bool:
    """Whether the generator and what it needs are there."""
    return all(importlib.util.find_spec(name) for name in _NEEDED)


async def generated(wish: Wish, bundles: Path) -> Path:
    """Let `sg-generator generate` make a clip; return its bundle. Raises HybridError with what it said."""
    options = {
        "--chords": CHORDS,
        "--style": STYLE,
        "--tempo": f"{wish.tempo_bpm:g}",
        "--density": wish.density,
        "--syncopation": wish.syncopation,
        "--seed": str(wish.seed),
        "--root": str(bundles),
    }
    words = [word for option in options.items() for word in option]
    with anyio.fail_after(GENERATES_WITHIN_S):
        done = await anyio.run_process(
            [sys.executable, "-m", "sg_generator", "generate", "--json", *words], check=False
        )
    if done.returncode:
        raise HybridError(f"sg-generator generate ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    answer: dict[str, Any] = parse_json_object(done.stdout)
    return Path(answer["bundle_dir"])
