"""What the generator does for its clients, one blocking function a call; the edges (disk, engine, clock) come in.

A value in, an answer out; what cannot be done is raised (`errors`, `sg_coach.errors`, OSError). Safe from several
threads: every change of a bundle happens under its folder's lock, or by one rename.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from sg_coach.__about__ import __version__
from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import Folder
from sg_coach.models import CoachingDeterministic, session_from

from .adjust import adjusted
from .answers import (
    Adjustments,
    Ai,
    Coaching,
    Entries,
    FeedbackAnswer,
    Generated,
    Notes,
    Progressions,
    Status,
    Story,
    StyleInfo,
    Styles,
    Worker,
)
from .answers import Engine as EngineInfo
from .bodies import FeedbackAndRegenBody, FeedbackBody, RegenerateBody
from .bundle import Written, read_request, tags_to_blame, write_bundle, write_error_bundle
from .bundle_inbox import put_feedback, put_session, put_take
from .clip_view import clip_file, notes_of, quarters_a_minute, tags_of
from .coaching_view import coaching_of
from .engine_seam import Engine
from .errors import ErrorCode, GeneratorError, InvalidRequest
from .failures import named_in
from .index_entries import clip_entry, verdict_entry
from .index_writer import IndexWriter
from .library import Library, parse_day
from .models import Arrangement, ClipRequest
from .progressions import PROGRESSIONS
from .session_story import story_of
from .settings import Settings
from .styles import STYLES, Style
from .suggest import following, suggestion
from .take_input import take_bytes
from .worker_status import WorkerLook, WorkerState

_log = structlog.get_logger(__name__)


class Service:
    """The generator over the bundle roots of its settings. `now` gives aware datetimes."""

    version = __version__

    def __init__(self, settings: Settings, engine: Engine, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._engine = engine
        self._now = now
        self._library = Library(settings.bundle_roots)
        self._index = IndexWriter()
        self._worker = WorkerLook(settings.queue_dir)

    # Making clips

    def generate(self, request: ClipRequest) -> Generated:
        """Make a clip. Raises InvalidRequest, EngineUnavailable, GeneratorError, OSError."""
        return self._make(request, request, None, 0.0)

    def regenerate(self, body: RegenerateBody) -> Generated:
        """Make the next clip of the parent's progression. Raises as `generate`, NotFound, RegenerationFailed."""
        parent = self._library.find(body.parent_clip_id, "parent_clip_id")
        request = read_request(parent)
        changed, difficulty = self._next(request, body, parent)
        if body.seed is not None:
            changed = changed.model_copy(update={"seed": body.seed})
        with tags_to_blame(parent):
            return self._make(changed, request, body.parent_clip_id, difficulty)

    def regenerate_after(self, body: FeedbackAndRegenBody) -> Generated:
        """`regenerate` of the clip that the verdict was about, unless another parent is named."""
        return self.regenerate(_regeneration(body))

    def check_parent(self, body: FeedbackAndRegenBody) -> None:
        """Raise what `regenerate_after` would raise because of the parent, before anything is written."""
        read_request(self._library.find(_regeneration(body).parent_clip_id, "parent_clip_id"))

    # Takes and verdicts

    def accept_take(self, body: FeedbackBody) -> None:
        """Leave the take (or its facts) of a body in the clip's bundle, if it has one.

        Raises InvalidRequest naming the field, NotFound, OSError, LockTimeout.
        """
        if body.take is not None and body.session is not None:
            raise InvalidRequest("a take and its facts exclude each other", field="session", remedy="send one of them")
        if body.verdict is None and body.take is None and body.session is None:
            raise InvalidRequest("missing", field="verdict", remedy="say pass or struggle, or send a take")
        bundle = self._library.find(body.clip_id)
        with named_in(bundle), Folder.open(bundle) as folder:
            _check_session(body, tags_of(folder))
            if body.take is not None:
                tempo, meter = quarters_a_minute(folder)
                put_take(folder, take_bytes(body.take, tempo_bpm=tempo, meter=meter))
            elif body.session is not None:
                _check_record(body.session)
                put_session(folder, body.session)

    def accept_verdict(self, body: FeedbackBody, told: Coaching | None) -> FeedbackAnswer:
        """Leave the verdict of a body, if it has one, and suggest what changes; `told` is what the coach said just now.

        Raises NotFound, OSError, LockTimeout.
        """
        bundle = self._library.find(body.clip_id)
        with named_in(bundle), Folder.open(bundle) as folder:
            coached = _coaching_in(told or coaching_of(folder, body.clip_id))
            tags = tags_of(folder)
            suggested = suggestion(body.verdict, tags.density, tags.syncopation, coached)
            if body.verdict is not None and suggested is not None:
                entry = verdict_entry(body.clip_id, self._now(), body.verdict, tags, suggested, coached)
                put_feedback(folder, _feedback(entry, suggested.model_dump()))
                self._index.append(folder.path.parent, entry)
        return FeedbackAnswer(clip_id=body.clip_id, suggested_adjustment=suggested, coaching=told)

    # Looking

    def status(self) -> Status:
        """Return how things stand."""
        seen = self._worker.state()
        return Status(
            version=self.version,
            engine=EngineInfo(name=self._engine.module, available=self._engine.is_available()),
            worker=Worker(alive=seen.alive, pid=seen.pid, since_utc=seen.since_utc),
            ai=_ai(seen, self._settings.ai_enabled),
            queue=seen.counts,
            bundle_root=str(self._settings.bundle_root),
        )

    def styles(self) -> Styles:
        """Return the styles that can be asked for."""
        return Styles(styles=[_told(style) for style in STYLES.values()])

    def progressions(self) -> Progressions:
        """Return the built-in forms."""
        return Progressions(progressions=list(PROGRESSIONS))

    def bundle(self, clip_id: str) -> Path:
        """Return the folder of a clip. Raises InvalidRequest, NotFound."""
        return self._library.find(clip_id)

    def coaching(self, clip_id: str) -> Coaching:
        """Return what the coach says now. Raises InvalidRequest, NotFound, OSError."""
        with Folder.open(self._library.find(clip_id)) as folder:
            return coaching_of(folder, clip_id)

    def notes(self, clip_id: str) -> Notes:
        """Return the arrangement of a clip. Raises InvalidRequest, NotFound, InvalidInput, OSError."""
        with Folder.open(self._library.find(clip_id)) as folder:
            return notes_of(folder, clip_id)

    def clip_file(self, clip_id: str, name: str) -> bytes:
        """Return a MIDI file of a clip. Raises InvalidRequest, NotFound, OSError."""
        with Folder.open(self._library.find(clip_id)) as folder:
            return clip_file(folder, clip_id, name)

    def story(self, session_id: str) -> Story:
        """Return the story of a session. Raises OSError."""
        return story_of(session_id, self._library)

    def session_index(self, date: str | None, session_id: str | None, limit: int) -> Entries:
        """Return the newest `limit` entries of a day (today's, if None). Raises InvalidRequest, InvalidInput."""
        day = parse_day(date) if date else self._now().astimezone(UTC).date()
        found = self._library.entries_of_day(day)
        if session_id is not None:
            found = [one for one in found if str(one.get("session_id", "")).lower() == session_id.lower()]
        return Entries(date=day.isoformat(), entries=found[-limit:], left_out=max(0, len(found) - limit))

    # Inside

    def _next(self, request: ClipRequest, body: RegenerateBody, parent: Path) -> tuple[ClipRequest, float]:
        """The next request, and how much harder it is."""
        if body.follow_coach:
            with Folder.open(parent) as folder:
                coached = _coaching_in(coaching_of(folder, body.parent_clip_id))
            if coached is not None:
                return following(request, coached.decision), coached.decision.difficulty_delta
        return adjusted(request, body.difficulty_signal), body.difficulty_signal

    def _make(self, request: ClipRequest, before: ClipRequest, parent: str | None, difficulty: float) -> Generated:
        now = self._now()
        try:
            arrangement = self._engine.arrange(request)
            clip_id, folder = self._write(request, arrangement, now, parent)
        except (GeneratorError, CoachError, OSError) as error:
            self._leave_error(request, error, now)
            raise
        changes = Adjustments(
            tempo=round(request.tempo_bpm - before.tempo_bpm, 1) + 0.0,
            density=request.density_bucket,
            syncopation=request.syncopation_bucket,
            difficulty=difficulty,
        )
        problem = self._index_clip(folder, clip_entry(clip_id, now, request, changes, parent))
        return Generated(
            status="partial" if problem else "ok",
            clip_id=clip_id,
            bundle_dir=str(folder),
            session_id=request.session_id,
            request=request.model_dump(mode="json", exclude_none=True),
            parent_clip_id=parent,
            adjustments=changes if parent else None,
            error_message=problem,
        )

    def _write(self, request: ClipRequest, arrangement: Arrangement, now: datetime, parent: str | None) -> Written:
        root, version = self._settings.bundle_root, self._engine.version
        with named_in(root):
            return write_bundle(root, request, arrangement, now, engine_version=version, parent_clip_id=parent)

    def _index_clip(self, folder: Path, entry: dict[str, Any]) -> str | None:
        """Index a clip; return why it could not be, if so: the clip itself is there."""
        try:
            self._index.append(folder.parent, entry)
        except (OSError, CoachError) as error:
            _log.warning("not_indexed", clip=entry["clip_id"], error=str(error))
            return f"the clip is there, its entry in the session index is not: {error}"
        return None

    def _leave_error(self, request: ClipRequest, error: Exception, now: datetime) -> None:
        if not self._settings.emit_error_bundles:
            return
        code = error.code if isinstance(error, GeneratorError) else ErrorCode.GENERATION_ERROR
        asked = request.model_dump(mode="json")
        try:
            write_error_bundle(
                self._settings.bundle_root, asked, code, str(error), now, engine_version=self._engine.version
            )
        except (OSError, CoachError) as another:
            _log.warning("no_error_bundle", error=str(another))


def _told(style: Style) -> StyleInfo:
    return StyleInfo(
        name=style.name, title=style.title, meters=style.meters, tempo_bpm=style.tempo_bpm, note=style.note
    )


def _regeneration(body: FeedbackAndRegenBody) -> RegenerateBody:
    parent = body.parent_clip_id or body.clip_id
    asked = body.model_dump(include={"difficulty_signal", "follow_coach", "seed"})
    return RegenerateBody(parent_clip_id=parent, **asked)


def _check_session(body: FeedbackBody, tags: Any) -> None:
    """A take belongs to its clip's session: that is what the worker's measuring goes by."""
    if body.session_id is None or body.session_id.lower() == (tags.session_id or "").lower():
        return
    mine = f"the clip belongs to {tags.session_id}" if tags.session_id else "the clip was generated without a session"
    raise InvalidRequest(mine, field="session_id", remedy="leave it out, or generate the clip with it")


def _check_record(record: dict[str, Any]) -> None:
    try:
        session_from(record, source="session")
    except InvalidInput as error:
        raise InvalidRequest(error.problem, field=f"session.{error.field}".rstrip(".")) from error


def _coaching_in(view: Coaching) -> CoachingDeterministic | None:
    return None if view.envelope is None else view.envelope.deterministic


def _feedback(entry: dict[str, Any], suggested: dict[str, Any]) -> dict[str, Any]:
    return {
        "clip_id": entry["clip_id"],
        "created_at_utc": entry["timestamp"],
        "session_id": entry["session_id"],
        "verdict": entry["verdict"],
        "suggested_adjustment": suggested,
    }


def _ai(seen: WorkerState, setting: bool) -> Ai:
    enabled = seen.mode == "on" or (seen.mode == "auto" and setting)
    if seen.mode == "auto":
        why = f"AI_COACH_ENABLED is {'on' if setting else 'off'} here; a worker with another environment may differ"
    else:
        why = f"switched {seen.mode} with `sg-hybrid ai {seen.mode}`"
    return Ai(enabled=enabled, mode=seen.mode, why=f"{why} ({seen.doubt})" if seen.doubt else why)
