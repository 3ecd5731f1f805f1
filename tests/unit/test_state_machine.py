"""Evenings of takes, late replies, crashes, set clocks and foreign files, in virtual time, over a world in memory."""

from __future__ import annotations

import logging

import pytest
import structlog

from tests.machine.in_memory import EVENINGS, EveningInMemory


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


TestEveningInMemory = EveningInMemory.TestCase
TestEveningInMemory.settings = EVENINGS
