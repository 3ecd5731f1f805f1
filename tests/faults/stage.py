"""Where a scenario plays: real folders, the real worker from `compose`, a scripted AI, a clock that stands.

Everything that a reader could find is under `box` (bundles and queue), so that two runs leave the same bytes. What the
worker said (its log events) goes to `journal` beside it: that is what it can be held to.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import anyio._backends._asyncio  # here and now, not anew in each child
import inotify_simple  # noqa: F401 - the same
import structlog

from sg_coach.contract import COMP_FILE, TAGS_FILE, TAKE_FILE
from sg_coach.errors import CoachError
from sg_coach.files import Folder
from sg_hybrid import inotify_watch, late_replies  # noqa: F401 - the same
from sg_hybrid.compose import HybridWorker
from sg_hybrid.errors import AiUnreachable
from sg_hybrid.models import AiReply, CoachRequest
from sg_hybrid.settings import Settings
from tests.conftest import FIXTURES
from tests.fake_edges import SESSION_ID, session
from tests.fakes import FakeClock

DAY: Final = "2026-02-04"
GRACE_S: Final = 0.3
STARTING: Final = "starting"
"""Said by the stage before each start; `ready` says that it went well."""

ENDING: Final = "ending"
"""Said by the stage when a scenario lets its worker go."""

_TRIES: Final = 2
_MIDI: Final = FIXTURES / "takes" / "clip_bossa"
_log = structlog.get_logger(__name__)


@dataclass
class ScriptedAi:
    """Answers by clip: `now`, `late` (after the deadline), `stop` (when the worker is asked to end), `never`, `down`.

    Each answer's words name its clip, so that it can be found again wherever it went.
    """

    clock: FakeClock
    script: Mapping[str, str]
    stopping: anyio.Event = field(default_factory=anyio.Event)
    asked: set[str] = field(default_factory=set)

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        how = self.script.get(request.clip_id, "down")
        if request.purpose == "prepare":
            return AiReply("simulator:test@latest", coaching_tip="Lean on the last beat of each bar.")
        if how == "down" or request.clip_id in self.asked:  # a second call is another reply; these have one each
            raise AiUnreachable
        self.asked.add(request.clip_id)
        if how == "never":
            await anyio.sleep_forever()
        if how == "stop":
            await self.stopping.wait()
        if how != "now":
            self.clock.advance(1.0)
        return AiReply("simulator:test@latest", coaching_tip=tip_of(request.clip_id), confidence=0.5)

    async def ready(self) -> ScriptedAi:
        return self

    async def aclose(self) -> None:
        return


def tip_of(clip: str) -> str:
    """The words of the live reply to a clip."""
    return f"Stay with the click, {clip}."


class Stage:
    """One sandbox. `box` is what the worker sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.box = folder / "box"
        self.journal = folder / "journal"
        self.clock = FakeClock(frozen=True)

    @property
    def root(self) -> Path:
        return self.box / "bundles"

    @property
    def queue(self) -> Path:
        return self.box / "queue"

    @property
    def incoming(self) -> Path:
        """Where takes are made before they arrive."""
        return self.folder / "incoming"

    def bundle(self, clip: str) -> Path:
        return self.root / DAY / clip

    def said(self) -> list[dict[str, Any]]:
        """The log events of all runs so far."""
        lines = self.journal.read_bytes().split(b"\n")[:-1] if self.journal.exists() else []
        return [json.loads(line) for line in lines]

    # Making

    def empty(self) -> None:
        for path in (self.root / DAY, self.incoming):
            path.mkdir(parents=True)
        self.queue.mkdir(mode=0o700)

    def take(self, clip: str, **changes: Any) -> None:
        """A take that stands in its bundle, beside what a generator left."""
        self.generated(clip)
        write(self.bundle(clip) / "session.json", record(clip, **changes))

    def generated(self, clip: str) -> None:
        """What a generator leaves: tags, a manifest with an entry and a key of its own."""
        bundle = self.bundle(clip)
        bundle.mkdir(exist_ok=True)
        tags = json.dumps({"clip_id": clip, "style": "salsa", "tempo_bpm": 108, "meter": "4/4"}).encode()
        write(bundle / "clip.tags.json", tags)
        write(bundle / "manifest.json", generator_manifest(clip, tags))

    def coming(self, clip: str, **changes: Any) -> None:
        """A take that will `arrive`."""
        write(self.incoming / clip, record(clip, **changes))

    def midi_clip(self, clip: str) -> None:
        """What a generator leaves for a clip that is played as MIDI."""
        bundle = self.bundle(clip)
        tags = json.dumps(json.loads((_MIDI / TAGS_FILE).read_bytes()) | {"clip_id": clip}).encode()
        write(bundle / TAGS_FILE, tags)
        write(bundle / COMP_FILE, (_MIDI / COMP_FILE).read_bytes())
        write(bundle / "manifest.json", generator_manifest(clip, tags))

    def unmake(self, clip: str) -> None:
        """A bundle that will `appear`."""
        os.rename(self.bundle(clip), self.incoming / f"bundle_{clip}")

    def appear(self, clip: str) -> None:
        """The generator has finished a bundle."""
        _left(self.incoming / f"bundle_{clip}", self.bundle(clip))

    def arrive(self, clip: str, name: str = "session.json") -> None:
        """The instrument leaves the take."""
        _left(self.incoming / clip, self.bundle(clip) / name)

    # Running

    def settings(self, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "ai_enabled": True,
            "anthropic_api_key": "a-key-for-tests",
            "queue_dir": self.queue,
            "bundle_roots": (self.root,),
            "grace_s": GRACE_S,
            "prepare": False,
        }
        return Settings(**(values | changes))

    def as_in_production(self) -> None:
        """Called once in each child: journal, clocks, short pauses, and the least favourable umask."""
        os.umask(0)
        errors = os.open(self.folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(errors, 2)
        late_replies.LATE_PUT_PAUSES_S = (0.001, 0.001)  # type: ignore[misc, assignment]
        descriptor = os.open(self.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        structlog.configure(processors=[_journal_to(descriptor)], cache_logger_on_first_use=False)

    @asynccontextmanager
    async def worker(
        self, script: Mapping[str, str] | None = None, *, watch: bool = False, **changes: Any
    ) -> AsyncIterator[HybridWorker]:
        """The real worker, with signals; the body is left when somebody asks for the end."""
        _log.info(STARTING)
        made = HybridWorker(self.settings(**changes), watch=watch, handle_signals=True, clock=self.clock)
        ai = ScriptedAi(self.clock, script or {})
        made._coach = ai  # type: ignore[assignment]
        async with made as worker, anyio.create_task_group() as group:

            async def leave_when_asked() -> None:
                await worker.serve()
                ai.stopping.set()
                group.cancel_scope.cancel()

            group.start_soon(leave_when_asked)
            yield worker
            _log.info(ENDING)
            worker.stop() if script and "stop" in script.values() else group.cancel_scope.cancel()

    async def coach(self, worker: HybridWorker, *clips: str) -> None:
        """Coach takes one after the other, late replies included; what the disk refused is tried again, as a rescan."""
        for clip in clips:
            for _ in range(_TRIES):
                with suppress(OSError, CoachError):
                    report = await worker.coach_clip(self.bundle(clip))
                    if not (report.coaching and report.error):
                        break
            if not _has_open_end(worker, clip):
                await worker._worker.quiet()

    async def scan(self, worker: HybridWorker) -> None:
        """Look at all bundles, and once more, as rescans do."""
        for _ in range(_TRIES):
            await worker.drain()

    def play(self, act: Callable[[Stage], Any]) -> None:
        """Run a scenario's act to its end, in this process."""
        self.as_in_production()
        anyio.run(act, self)


def _left(made: Path, path: Path) -> None:
    """Another program leaves what it made: whole, by a rename; it tries again if its disk refuses."""
    for _ in range(_TRIES):
        with suppress(OSError):
            os.rename(made, path)
            break
    with suppress(OSError), Folder.open(path.parent) as folder:
        folder.sync()


def _has_open_end(worker: HybridWorker, clip: str) -> bool:
    ai: object = worker._coach
    return isinstance(ai, ScriptedAi) and ai.script.get(clip) in ("never", "stop")


async def recover(stage: Stage) -> None:
    """An ordinary restart, offline: what is waiting is coached, what was begun is finished."""
    stage.clock.advance(2.0)
    async with stage.worker() as worker:
        await stage.scan(worker)


def record(clip: str, **changes: Any) -> bytes:
    """The facts of a take; each clip has others."""
    bpm = 100.0 + sum(clip.encode()) % 50
    return session(**{"session_id": SESSION_ID, "bpm": bpm, **changes}).model_dump_json().encode()


def midi_take(clip: str, velocity: int) -> bytes:
    """The example take, each clip's and each velocity's another file."""
    data = bytearray((_MIDI / TAKE_FILE).read_bytes())
    first = data.index(0x90)
    data[first + 2] = velocity - sum(clip.encode()) % 8
    return bytes(data)


def generator_manifest(clip: str, tags: bytes) -> bytes:
    from sg_coach.digest import sha256_bytes

    entry = {"artifact_id": "tags", "kind": "tags", "path": "clip.tags.json"}
    document = {
        "bundle_version": "v1.1",
        "clip_id": clip,
        "created_at_utc": "2026-02-04T12:00:00.000Z",
        "generator": {"seed": 7},
        "artifacts": [entry | {"sha256": sha256_bytes(tags), "bytes": len(tags)}],
    }
    return json.dumps(document, indent=2).encode()


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _journal_to(descriptor: int) -> Callable[..., Any]:
    """A processor that writes each event as one line, by one call."""

    def journal(_logger: object, level: str, event: Mapping[str, Any]) -> Any:
        line = json.dumps({"level": level, **event}, default=str)
        os.write(descriptor, line.encode() + b"\n")
        raise structlog.DropEvent

    return journal
