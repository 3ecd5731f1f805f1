"""One small real call to the AI service, step by step: what works, how fast, what to fix."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import anyio

from sg_coach.coach_policy import judge
from sg_coach.models import ProgramRef, ProgramType, SessionRecord
from sg_coach.progression import apply_progression_policy
from sg_hybrid.ai_client import create_coach
from sg_hybrid.errors import AiError
from sg_hybrid.prompt import build_request

if TYPE_CHECKING:
    from sg_hybrid.ai_config import AiConfig
    from sg_hybrid.models import CoachRequest

CLIP_ID: Final = "ping"
_SESSION_ID: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Ping:
    """How the call went. Times are in ms; None for a step that was not reached."""

    ok: bool
    base_url: str
    model: str
    client_ms: float
    """Loading the SDK and building the client; a worker does it once, at its start."""
    connected: bool
    reply_ms: float
    """From the question to the reply, whole and checked, or to the error."""
    first_token_ms: float | None = None
    tip_ms: float | None = None
    """When the tip was whole: at the deadline it counts by itself. None where the reply comes in one piece."""
    model_id: str | None = None
    coaching_tip: str | None = None
    error_kind: str | None = None
    error: str | None = None

    def in_time(self, deadline_ms: int) -> bool:
        """Whether a player would have seen the tip with the take."""
        return self.ok and min(self.reply_ms, self.tip_ms or self.reply_ms) < deadline_ms

    def document(self) -> dict[str, Any]:
        return asdict(self)


async def ping(config: AiConfig) -> Ping:
    """Ask the AI service for a tip about an invented take. Raises ConfigError if the client cannot be made."""
    events: dict[str, dict[str, Any]] = {}

    def note(event: str, **fields: Any) -> None:
        events[event] = fields

    began = anyio.current_time()
    async with await create_coach(config, log=note) as coach:
        client_ms = _ms_since(began)
        connected = await coach.warm_up()
        asked, result = anyio.current_time(), dict[str, Any]()
        try:
            reply = await coach.ask(_request())
        except AiError as error:
            result = {"ok": False, "error_kind": error.kind, "error": str(error)}
        else:
            result = {"ok": True, "model_id": reply.model_id, "coaching_tip": reply.coaching_tip}
        reply_ms = _ms_since(asked)
    return Ping(
        base_url=config.base_url,
        model=config.model,
        client_ms=client_ms,
        connected=connected,
        reply_ms=reply_ms,
        first_token_ms=events.get("ai_call", {}).get("first_token_ms"),
        tip_ms=events.get("ai_call", {}).get("tip_ms"),
        **result,
    )


def _request() -> CoachRequest:
    """What a usual take would ask."""
    session = SessionRecord(
        session_id=_SESSION_ID,
        program=ProgramRef(kind=ProgramType.LIVE, name="ping"),
        bpm=100,
        bars=8,
        timing_mean_error_ms=14,
        timing_p95_error_ms=48,
        late_events=6,
        total_events=64,
        notes_on_grid_ratio=0.86,
    )
    evaluation = judge(session)
    coaching = apply_progression_policy(
        evaluation, clip_id=CLIP_ID, created_at_utc="2026-01-01T00:00:00.000Z", ema_before=None
    )
    return build_request(session, evaluation, coaching, clip_id=CLIP_ID)


def _ms_since(began: float) -> float:
    return round((anyio.current_time() - began) * 1000, 1)
