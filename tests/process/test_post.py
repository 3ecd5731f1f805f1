"""Threads leave calls for the event loop."""

from __future__ import annotations

import threading
from functools import partial

import anyio

from sg_hybrid.post import Post

THREADS, CALLS = 4, 500


async def test_every_call_that_a_thread_leaves_is_made_in_order() -> None:
    made: list[tuple[int, int]] = []
    loop = threading.get_ident()

    def leave(post: Post, thread: int) -> None:
        for number in range(CALLS):
            post.leave(partial(note, thread, number))

    def note(thread: int, number: int) -> None:
        assert threading.get_ident() == loop
        made.append((thread, number))

    with Post() as post:
        async with anyio.create_task_group() as group:
            group.start_soon(post.run)
            for thread in range(THREADS):
                group.start_soon(anyio.to_thread.run_sync, leave, post, thread)
            with anyio.fail_after(10):
                while len(made) < THREADS * CALLS:
                    await anyio.sleep(0.001)
            group.cancel_scope.cancel()
    for thread in range(THREADS):
        assert [number for of, number in made if of == thread] == list(range(CALLS))


async def test_what_was_left_before_the_loop_listens_is_made_when_it_does() -> None:
    made: list[str] = []
    with Post() as post:
        post.leave(partial(made.append, "early"))
        post.leave(partial(made.append, "too"))
        async with anyio.create_task_group() as group:
            group.start_soon(post.run)
            await anyio.sleep(0.05)
            post.leave(partial(made.append, "late"))
            await anyio.sleep(0.05)
            group.cancel_scope.cancel()
    assert made == ["early", "too", "late"]
