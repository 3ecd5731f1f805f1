"""The evenings of `make test`: over a world in memory, few and always the same."""

from __future__ import annotations

from typing import Final

from tests.deep import examples

from .narrow_places import NarrowPlaces
from .world import MemoryWorld

EVENINGS: Final = examples(45, steps=40)


class EveningInMemory(NarrowPlaces):
    make_world = MemoryWorld
