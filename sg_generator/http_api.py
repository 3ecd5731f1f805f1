"""The HTTP API as a FastAPI application: each step that blocks one thread hop, each error an answer.

No call decides anything here. Blocking work runs in lanes of threads, so that a slow disk or a long clip does not hold
up the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Final, TypeVar

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from .answers import (
    Coaching,
    Entries,
    Failed,
    FeedbackAndRegenAnswer,
    FeedbackAnswer,
    Generated,
    Notes,
    Progressions,
    Status,
    Story,
    Styles,
)
from .bodies import MAX_WAIT_MS, FeedbackAndRegenBody, FeedbackBody, RegenerateBody, TakeBody
from .errors import ErrorCode
from .event_stream import EventStream
from .failures import EXPECTED, bug, failure_of, invalid, no_such_call
from .models import ClipRequest
from .openapi import document_of
from .page_files import add_page
from .service import Service
from .watch import Hub

MAKING_THREADS: Final = 2
"""Clips are made side by side: it is computing, and more of it at once would only hold up the rest."""

WRITING_THREADS: Final = 32
"""Verdicts and takes; those that wait for the session index are written together."""

READING_THREADS: Final = 8

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class Lanes:
    """What the calls share: the service, the listeners, the threads."""

    def __init__(self, service: Service, hub: Hub) -> None:
        self.service, self.hub = service, hub
        self._making = anyio.CapacityLimiter(MAKING_THREADS)
        self._writing = anyio.CapacityLimiter(WRITING_THREADS)
        self._reading = anyio.CapacityLimiter(READING_THREADS)

    async def read(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._reading)

    async def write(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._writing)

    async def make(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._making)

    async def coached(self, clip_id: str, wait_ms: int) -> Coaching | None:
        """Wait for the coach's word on the take that stands in a bundle; None if it does not come in time."""
        if not wait_ms:
            return None
        bundle = await self.read(partial(self.service.bundle, clip_id))
        with anyio.move_on_after(wait_ms / 1000), self.hub.listen(str(bundle), briefly=True) as changed:
            async for _ in changed:
                view = await self.read(partial(self.service.coaching, clip_id))
                if view.state != "waiting":
                    return view
        return None


def build_app(service: Service, hub: Hub, *, on_start: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the application. The guard (`guard.Guard`) belongs around it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(hub.run, name="hub")
            on_start()
            yield
            group.cancel_scope.cancel()

    app = FastAPI(
        title="sg-generator",
        version=service.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect is no answer, and its address is what the client gave as Host
        lifespan=lifespan,
    )
    app.state.lanes = Lanes(service, hub)
    app.include_router(_router)
    add_page(app)
    app.openapi = partial(document_of, app)  # type: ignore[method-assign]
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_no_such_call)
    app.add_exception_handler(Exception, _on_failure)
    for kind in EXPECTED:
        app.add_exception_handler(kind, _on_failure)
    return app


def _lanes(request: Request) -> Lanes:
    lanes: Lanes = request.app.state.lanes
    return lanes


Here = Annotated[Lanes, Depends(_lanes)]
WaitMs = Annotated[int, Query(ge=0, le=MAX_WAIT_MS, description="Wait so long for the coach, in ms")]
_router = APIRouter()


@_router.get("/status", response_model=Status | Failed)
async def status(here: Here) -> Response:
    """How things stand: the engine, the worker, its AI, its queue."""
    return answer(await here.read(here.service.status))


@_router.post("/generate", response_model=Generated | Failed)
async def generate(body: ClipRequest, here: Here) -> Response:
    """Make a clip from a chord progression."""
    return answer(await here.make(partial(here.service.generate, body)))


@_router.post("/regenerate", response_model=Generated | Failed)
async def regenerate(body: RegenerateBody, here: Here) -> Response:
    """Make the next clip of the same progression, easier or harder."""
    return answer(await here.make(partial(here.service.regenerate, body)))


@_router.post("/feedback", response_model=FeedbackAnswer | Failed)
async def feedback(body: FeedbackBody, here: Here, wait_ms: WaitMs = 0) -> Response:
    """Leave a verdict on a clip, a take of it, or both."""
    return answer(await _feedback(here, body, wait_ms))


@_router.post("/feedback_and_regen", response_model=FeedbackAndRegenAnswer | Failed)
async def feedback_and_regen(body: FeedbackAndRegenBody, here: Here, wait_ms: WaitMs = 0) -> Response:
    """Both: the verdict (or take), then the next clip."""
    await here.read(partial(here.service.check_parent, body))
    told = await _feedback(here, body, wait_ms)
    made = await here.make(partial(here.service.regenerate_after, body))
    both = made.model_dump() | {"feedback_clip_id": told.clip_id}
    both |= {"suggested_adjustment": told.suggested_adjustment, "coaching": told.coaching}
    return answer(FeedbackAndRegenAnswer.model_validate(both))


@_router.get("/session_index", response_model=Entries | Failed)
async def session_index(
    here: Here,
    date: Annotated[
        str | None, Query(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="The day (UTC); today")
    ] = None,
    session_id: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """The entries of a day's session index, oldest first."""
    return answer(await here.read(partial(here.service.session_index, date, session_id, limit)))


@_router.get("/styles", response_model=Styles | Failed)
async def styles(here: Here) -> Response:
    """The styles that can be asked for."""
    return answer(here.service.styles())


@_router.get("/progressions", response_model=Progressions | Failed)
async def progressions(here: Here) -> Response:
    """Common forms, each a ready request."""
    return answer(here.service.progressions())


@_router.get("/clips/{clip_id}/notes", response_model=Notes | Failed)
async def notes(clip_id: str, here: Here) -> Response:
    """The arrangement of a clip: what a player schedules."""
    return answer(await here.read(partial(here.service.notes, clip_id)))


@_router.get(
    "/clips/{clip_id}/files/{name}",
    response_model=Failed,
    response_description="The file, or why there is none",
    responses={200: {"content": {"audio/midi": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def clip_file(clip_id: str, name: str, here: Here) -> Response:
    """A MIDI file of a clip: clip.mid, clip.comp.mid or clip.bass.mid."""
    data = await here.read(partial(here.service.clip_file, clip_id, name))
    headers = {"content-disposition": f'attachment; filename="{clip_id}.{name}"', "cache-control": "no-store"}
    return Response(data, media_type="audio/midi", headers=headers)


@_router.get("/clips/{clip_id}/coaching", response_model=Coaching | Failed)
async def coaching(clip_id: str, here: Here) -> Response:
    """What the coach says now about the take in a clip's bundle."""
    return answer(await here.read(partial(here.service.coaching, clip_id)))


@_router.post("/clips/{clip_id}/take", response_model=FeedbackAnswer | Failed)
async def take(clip_id: str, body: TakeBody, here: Here, wait_ms: WaitMs = 0) -> Response:
    """Leave a take of a clip; the same as /feedback with a take."""
    told = FeedbackBody(clip_id=clip_id, session_id=body.session_id, take=body.take, session=body.session)
    return answer(await _feedback(here, told, wait_ms))


@_router.get(
    "/clips/{clip_id}/events",
    response_model=Failed,
    response_description="Server-sent events, or why there are none",
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(clip_id: str, here: Here) -> Response:
    """What appears in a clip's bundle, as server-sent events."""
    view = partial(here.read, partial(here.service.coaching, clip_id))
    bundle = await here.read(partial(here.service.bundle, clip_id))
    return EventStream(await view(), view, here.hub.listen(str(bundle)))


@_router.get("/sessions/{session_id}", response_model=Story | Failed)
async def session(session_id: str, here: Here) -> Response:
    """The story of a session: its takes, verdicts and clips."""
    return answer(await here.read(partial(here.service.story, session_id)))


async def _feedback(here: Lanes, body: FeedbackBody, wait_ms: int) -> FeedbackAnswer:
    """The take first: what the coach says of it is what is suggested, if the client waits for it."""
    await here.write(partial(here.service.accept_take, body))
    told = await here.coached(body.clip_id, wait_ms)
    return await here.write(partial(here.service.accept_verdict, body, told))


def answer(value: BaseModel) -> Response:
    """Return a value as the JSON of an answer."""
    return Response(value.model_dump_json(), media_type="application/json", headers={"cache-control": "no-store"})


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(invalid(error.errors()))


async def _on_no_such_call(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer(no_such_call(error.status_code, request.method, request.url.path))


async def _on_failure(request: Request, error: Exception) -> Response:
    makes_again = request.url.path in ("/regenerate", "/feedback_and_regen")
    failed = failure_of(error, ErrorCode.REGENERATION_ERROR if makes_again else ErrorCode.GENERATION_ERROR)
    if failed is None:
        _log.error("bug", path=request.url.path, exc_info=error)
        failed = bug()
    elif failed.error_code in (ErrorCode.GENERATION_ERROR, ErrorCode.REGENERATION_ERROR):
        _log.warning("failed", path=request.url.path, code=failed.error_code, error=failed.error_message)
    return answer(failed)
