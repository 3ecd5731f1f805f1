"""Late replies for tests: addenda, their contexts, and takes that could use them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sg_coach.digest import sha256_bytes
from sg_coach.timestamps import utc_text
from sg_hybrid.models import AiAddendum, Query, ReplyContext
from sg_hybrid.queue_entry import StoredContext, context_bytes, context_name, entry_bytes, entry_name

SESSION = "550e8400-e29b-41d4-a716-446655440000"
OTHER_SESSION = "650e8400-e29b-41d4-a716-446655440000"
PROGRAM = "ztprog:salsa_minor_Dm"
FOCUS = "TIMING_P95_HIGH"
BUNDLE = Path("/music/bundles/clip_now")


def addendum(clip_id: str = "clip_a", **changes: Any) -> AiAddendum:
    """A late reply as the AI's side hands it over."""
    facts: dict[str, Any] = {
        "schema_id": "coaching_ai_addendum",
        "schema_version": "v1",
        "clip_id": clip_id,
        "ai_available": True,
        "ai_latency_ms": 812,
        "model_id": "simulator:test@latest",
        "coaching_tip": f"Land on the click ({clip_id}).",
    }
    return AiAddendum.model_validate(facts | changes)


def queued(clip_id: str, queued_at: datetime | str, **changes: Any) -> AiAddendum:
    """A reply that stands in the queue since `queued_at`."""
    text = queued_at if isinstance(queued_at, str) else utc_text(queued_at)
    return addendum(clip_id, queued=True, queued_at_utc=text, **changes)


def context(clip_id: str = "clip_a", **changes: str) -> ReplyContext:
    facts = {"session_id": SESSION, "program": PROGRAM, "focus": FOCUS, "bundle": f"/music/bundles/{clip_id}"}
    return ReplyContext(clip_id=clip_id, **(facts | changes))


def query(clip_id: str = "clip_now", focuses: frozenset[str] = frozenset({FOCUS}), **changes: str) -> Query:
    """The take that a waiting reply is looked for."""
    facts = {"session_id": SESSION, "program": PROGRAM}
    return Query(clip_id=clip_id, focuses=focuses, **(facts | changes))


def put_file(root: Path, reply: AiAddendum, with_context: ReplyContext | None = None, folder: str = "pending") -> Path:
    """Write an entry (and its context) as an earlier worker left it."""
    document = entry_bytes(reply)
    path = root / folder / entry_name(reply.clip_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(document)
    if with_context is not None:
        put_context(root, StoredContext(with_context, sha256_bytes(document)))
    return path


def put_context(root: Path, stored: StoredContext) -> Path:
    path = root / "context" / context_name(stored.context.clip_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(context_bytes(stored))
    return path


def names(root: Path, folder: str) -> list[str]:
    """What `ls` shows."""
    return sorted(path.name for path in (root / folder).iterdir())
