"""How many examples a generated test tries: few and always the same in `make test`, many and new ones in `make faults`.

The deep profile is chosen by `pytest --hypothesis-profile=deep`; `conftest.py` makes it known.
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

DEEP: Final = "deep"
_FACTOR: Final = 20

settings.register_profile(DEEP, deadline=None, database=None)


def examples(count: int, *, steps: int = 50) -> settings:
    """Return settings for `count` examples (of `steps` steps each, if it is a state machine); deep: 20 times as many.

    Without a deadline of hypothesis: a busy machine decides nothing here. Tests that bound time do it themselves.
    """
    deep = settings.get_current_profile_name() == DEEP
    return settings(
        max_examples=count * _FACTOR if deep else count,
        stateful_step_count=steps,
        derandomize=not deep,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
