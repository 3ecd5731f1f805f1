"""How much a generated or an exhaustive test tries: little and always the same in `make test`, much and new with
`pytest --hypothesis-profile=deep` (`conftest.py` makes the profile known)."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

DEEP: Final = "deep"
_FACTOR: Final = 20

settings.register_profile(DEEP, deadline=None, database=None)


def is_deep() -> bool:
    """Whether everything is tried that could be."""
    return settings.get_current_profile_name() == DEEP


def examples(count: int, *, steps: int = 50) -> settings:
    """Return settings for `count` examples (of `steps` steps each, if it is a state machine); deep: 20 times as many.

    Without a deadline of hypothesis: a busy machine decides nothing here. Tests that bound time do it themselves.
    """
    return settings(
        max_examples=count * _FACTOR if is_deep() else count,
        stateful_step_count=steps,
        derandomize=not is_deep(),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
