"""Shares and percents: the policy's files and options may say 95 or 0.95 and mean the same."""

from __future__ import annotations

import argparse
import math
from typing import Final

DEFAULT_SHARE: Final = 0.95
"""The share of what a change touches that has to be read before it is changed."""


def percent(value: object) -> float | None:
    """Return `value` in percent, 0 to 100; None if it is no such number. Up to 1 it is read as a share (1 is 100 %)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    in_percent = value * 100 if value <= 1 else float(value)
    return in_percent if math.isfinite(in_percent) and 0 <= in_percent <= 100 else None


def share_option(text: str) -> float:
    """Return the share (above 0, up to 1) that an option or a variable names, as 0.95 or as 95."""
    try:
        found = percent(float(text))
    except ValueError:
        found = None
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: say for instance 0.95 (or 95)")
    return found / 100
