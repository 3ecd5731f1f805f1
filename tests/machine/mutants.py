"""Errors that the state machine must find: each one is the worker's own code with one piece of it replaced.

`tests/unit/test_state_machine_can_fail.py` plays the evenings of `make test` over each of them.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sg_hybrid.cycle import CycleRunner
from sg_hybrid.late_replies import LateReplies
from sg_hybrid.race import Race
from sg_hybrid.sweeper import Sweeper
from tests.fakes import MemorySpool


@dataclass(frozen=True)
class Mutant:
    """`code` in the method `name` of `owner`, where it stands once, replaced by `instead`."""

    owner: type
    name: str
    code: str
    instead: str
    breaks: str
    """The promises that it breaks, by number: what the machine says begins with one of them. A regular expression."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Let the mutated method take the place of the sound one. Raises AssertionError if its code is not there."""
        sound = getattr(self.owner, self.name)
        setattr(self.owner, self.name, self._mutated(sound))
        try:
            yield
        finally:
            setattr(self.owner, self.name, sound)

    def _mutated(self, sound: Any) -> Any:
        source = textwrap.dedent(inspect.getsource(sound))
        assert source.count(self.code) == 1, f"{self.owner.__name__}.{self.name} has changed: mutate what it is now"
        module = sys.modules[self.owner.__module__]
        made: dict[str, Any] = {}
        mutated = "from __future__ import annotations\n" + source.replace(self.code, self.instead)
        exec(compile(mutated, f"<mutant of {self.name}>", "exec"), vars(module), made)
        return made[self.name]


_KEPT_INSTEAD = 'if origin == "live":'
_REFUSED = "reason=str(error))\n        await self.spool.give_back(claim)"
_UNFIT = "await self.spool.give_back(claim)\n        return"

MUTANTS: Final = {
    "a late reply is not kept": Mutant(
        LateReplies, "keep", "for pause in (*LATE_PUT_PAUSES_S, None):", "for pause in ():", "I5"
    ),
    "a reply that could not be attached is not kept": Mutant(CycleRunner, "_attach", _KEPT_INSTEAD, "if False:", "I5"),
    "a reply after the deadline wins": Mutant(Race, "offer", "if now >= self.closes_at:", "if False:", "I4"),
    "a reply wins a race that was decided": Mutant(Race, "offer", "if self.decided.is_set():", "if False:", "I4|I5"),
    "attached though switched off": Mutant(CycleRunner, "_attach", "not self.gate.state().enabled", "False", "I4"),
    "applied though switched off": Mutant(CycleRunner, "_apply", " or not self.gate.state().enabled", "", "I4"),
    "applied after its time": Mutant(CycleRunner, "_apply", " or not claim.is_fresh()", "", "I11"),
    "a refused reply is not given back": Mutant(CycleRunner, "_apply", _REFUSED, "reason=str(error))", "I8"),
    "an unfit reply is not given back": Mutant(CycleRunner, "_apply", _UNFIT, "return", "I8"),
    "a disk that refuses ends the sweeper": Mutant(
        Sweeper, "_attempt", "except (OSError, CoachError) as error:", "except () as error:", "the worker died"
    ),
    "a bad entry ends the look": Mutant(MemorySpool, "_look", "continue", "break", "I8|I12"),
}
