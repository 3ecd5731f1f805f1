"""The evenings of `make test` find what they are there for: errors planted in the worker, one at a time."""

from __future__ import annotations

import logging

import pytest
import structlog
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sg_hybrid.late_replies import LateReplies
from tests.machine.in_memory import EVENINGS, EveningInMemory
from tests.machine.mutants import MUTANTS, Mutant

ONCE = settings(EVENINGS, phases=(Phase.generate,), report_multiple_bugs=False, print_blob=False)
"""The same evenings; the first that fails is enough."""


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.mark.parametrize("error", MUTANTS)
def test_is_found(error: str) -> None:
    mutant = MUTANTS[error]
    with mutant.planted(), pytest.raises(AssertionError, match=rf"^(\['|\[\")?({mutant.breaks})\b"):
        run_state_machine_as_test(EveningInMemory, settings=ONCE)


def test_a_mutant_of_code_that_has_changed_says_so() -> None:
    mutant = Mutant(LateReplies, "keep", code="what stood there once", instead="", breaks="I5")
    with pytest.raises(AssertionError, match=r"LateReplies\.keep has changed"), mutant.planted():
        pass
