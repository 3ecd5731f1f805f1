"""When the writer of the session indexes tries again, in virtual time."""

from __future__ import annotations

import anyio

from sg_hybrid.history import RETRY_S, ScoreHistory


class Refused(ScoreHistory):
    """A disk that refuses its first tries."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.tried_at: list[float] = []

    async def flush(self) -> bool:
        self.tried_at.append(anyio.current_time())
        return len(self.tried_at) > self.times

    @property
    def pauses(self) -> list[float]:
        return [round(later - at) for at, later in zip(self.tried_at, self.tried_at[1:], strict=False)]


async def test_an_index_that_can_never_be_written_is_tried_ever_more_rarely() -> None:
    history = Refused(1_000_000)
    history.kick()
    with anyio.move_on_after(3600):
        await history.run()
    assert history.pauses[:6] == [5, 10, 20, 40, 60, 60]
    assert set(history.pauses[6:]) == {60}


async def test_a_take_that_comes_meanwhile_does_not_wait_for_the_long_pause() -> None:
    history = Refused(1_000_000)
    async with anyio.create_task_group() as group:
        group.start_soon(history.run)
        history.kick()
        await anyio.sleep(900)
        tries = len(history.tried_at)
        history.kick()
        await anyio.sleep(RETRY_S)
        assert len(history.tried_at) == tries + 1
        group.cancel_scope.cancel()


async def test_after_a_success_the_pauses_are_short_again() -> None:
    history = Refused(5)
    async with anyio.create_task_group() as group:
        group.start_soon(history.run)
        history.kick()
        await anyio.sleep(900)
        assert len(history.tried_at) == 6
        history.times = 1_000_000
        history.kick()
        await anyio.sleep(6)
        assert history.pauses[-1] == RETRY_S
        group.cancel_scope.cancel()
