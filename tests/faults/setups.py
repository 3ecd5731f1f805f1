"""What the plays begin with: replies that wait or were being applied, and workers that lived before."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import datetime

from sg_coach.digest import sha256_bytes
from sg_hybrid.models import AiAddendum
from sg_hybrid.queue_entry import ClaimedFor, StoredContext, entry_bytes
from tests.fakes import EPOCH
from tests.late_replies import context, put_context, put_file, queued

from .injector import engine
from .stage import Stage, tip_of, write

Act = Callable[[Stage], Awaitable[None]]


def waiting(
    stage: Stage, clip: str, queued_at: datetime = EPOCH, *, session_id: str = "", more: str = ""
) -> AiAddendum:
    """A late reply of an earlier take that waits; `more` are words that tell it from another of the same clip."""
    reply = queued(clip, queued_at, coaching_tip=tip_of(clip) + more)
    put_file(stage.queue, reply, context(clip, **({"session_id": session_id} if session_id else {})))
    (stage.queue / "pending").chmod(0o700)
    (stage.queue / "context").chmod(0o700)
    private(stage)
    return reply


def claimed(stage: Stage, clip: str, target: str | None, *, shown: bool = False) -> bytes:
    """A reply that a dead worker was applying to the bundle `target` (None: nobody knows)."""
    reply = queued(clip, EPOCH, coaching_tip=tip_of(clip))
    put_file(stage.queue, reply, folder="claimed")
    document = entry_bytes(reply)
    if target is not None:
        bound = ClaimedFor(str(stage.bundle(target)), sha256_bytes(document))
        put_context(stage.queue, StoredContext(context(clip), sha256_bytes(document), bound))
        if shown:
            write(stage.bundle(target) / "clip.ai_coach.queued.json", document)
    private(stage)
    return document


def private(stage: Stage) -> None:
    for folder, _, files in os.walk(stage.queue):
        os.chmod(folder, 0o700)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o600)


def lived(stage: Stage, act: Act) -> None:
    """Let an earlier worker live through `act`."""
    ended = engine.unwatched(lambda: stage.play(act))
    if ended.exit or ended.hung:
        raise RuntimeError(f"an earlier worker ended with {ended.exit}")


async def coach_everything(stage: Stage) -> None:
    async with stage.worker(ai_enabled=False) as worker:
        await stage.scan(worker)
