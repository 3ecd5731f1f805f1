"""Evenings of takes, late replies, crashes, set clocks and foreign files, in virtual time, over a world in memory."""

from __future__ import annotations

import logging

import pytest
import structlog

from tests.deep import examples
from tests.machine.evening import Evening
from tests.machine.world import MemoryWorld


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class EveningInMemory(Evening):
    make_world = MemoryWorld


TestEveningInMemory = EveningInMemory.TestCase
TestEveningInMemory.settings = examples(60, steps=40)
