"""Bundle folders on disk: the take in, the coaching files and their manifest out.

Every change happens under the folder's lock, a file before the manifest that names it, so that at every instant each
hash in the manifest matches its file. One method is one thread hop; the hint has threads of its own, so that no fsync
of another clip stands before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from anyio import CapacityLimiter

from sg_coach.contract import (
    AI_FILE,
    COACH_FILE,
    ERROR_FILE,
    MANIFEST_FILE,
    MAX_DOCUMENT_BYTES,
    QUEUED_FILE,
)
from sg_coach.digest import sha256_bytes
from sg_coach.documents import document_or_none
from sg_coach.errors import CoachError, ExtraMissing, InvalidInput, UnsafePath
from sg_coach.files import Folder, Unsettled
from sg_coach.jsontext import parse_json_object, to_json_bytes
from sg_coach.models import SessionRecord
from sg_coach.progression import coaching_bytes
from sg_coach.timestamps import utc_text
from sg_coach.untrusted import shown

from .errors import BundleRefused, StaleTake
from .fs import run_blocking
from .manifest import artifact, coach_entry, entries, manifest_with
from .models import AiAddendum, Coached, Origin, Take
from .ports import Clock
from .post import Leave
from .settled import Admitted, unsettled_by_session
from .standing import as_it_stands
from .take_intake import ANALYSIS_THREADS, NotAnalysed, analyse_take_file, refuse_outdated
from .take_reader import read_take, tags_in

MAX_MESSAGE: Final = 2000
"""Longest message in `clip.error.json`, in characters; what cannot be printed, or is not UTF-8, is escaped."""

HINT_THREADS: Final = 32
"""So many clips may wait for a slow disk before one of them delays another's hint."""

DISK_THREADS: Final = 8

_log = structlog.get_logger(__name__)


class DiskBundles:
    """The real bundle folders.

    `analysed` is told, in a thread, of each record that was made from a `take.mid`; `admitted` is asked, in a thread,
    whether a take has its entry in the session index.
    """

    def __init__(
        self,
        clock: Clock,
        leave: Leave,
        analysed: Callable[[SessionRecord], None] = lambda _session: None,
        admitted: Admitted = lambda _folder, _clip_id, _take_id: False,
    ) -> None:
        self._clock = clock
        self._leave = leave
        self._analysed = analysed
        self._admitted = admitted
        self._hints = CapacityLimiter(HINT_THREADS)
        self._disk = CapacityLimiter(DISK_THREADS)
        self._analysts = CapacityLimiter(ANALYSIS_THREADS)

    async def coach(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        """See ports.Bundles."""
        out = _Out(visible)
        try:
            return await self._in_a_thread(bundle, decide, out)
        except (FileNotFoundError, NotAnalysed):
            if out.hint or not await run_blocking(self._analyse, bundle, limiter=self._analysts):
                raise
        return await self._in_a_thread(bundle, decide, visible)

    def coach_here(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached | None:
        """`coach` for a thread that may block: all of it happens there, `visible` included.

        None if the bundle holds no `session.json` that is up to date: that is for `coach`, and nothing was done.
        """
        out = _Out(visible)
        try:
            return self._coach(bundle, decide, out)
        except (FileNotFoundError, NotAnalysed):
            if out.hint:
                raise
            return None

    async def _in_a_thread(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        told = _Told(visible)
        try:
            leave = partial(told.leave, self._leave)
            return await run_blocking(self._coach, bundle, decide, leave, limiter=self._hints)
        finally:
            told.tell()

    async def attach(self, coached: Coached, addendum: AiAddendum, origin: Origin) -> None:
        """See ports.Bundles."""
        data = to_json_bytes(addendum.model_dump(mode="json"))
        entry = artifact("ai_coach", "ai_coach", AI_FILE, data, origin=origin)
        await run_blocking(self._attach, coached, data, entry, limiter=self._disk)

    async def attach_queued(self, coached: Coached, addendum: bytes) -> None:
        """See ports.Bundles."""
        entry = artifact("ai_coach_queued", "ai_coach", QUEUED_FILE, addendum)
        await run_blocking(self._attach, coached, addendum, entry, limiter=self._disk)

    async def tags(self, bundle: Path) -> Mapping[str, Any]:
        """Return what a generator said about its clip; empty if that cannot be read."""
        return await run_blocking(tags_in, bundle, limiter=self._disk)

    async def unsettled_by_session(self, bundles: Sequence[Path]) -> list[list[Path]]:
        """See ports.Bundles."""
        return await run_blocking(unsettled_by_session, bundles, self._admitted, limiter=self._disk)

    # One hop each

    def _coach(self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]) -> Coached:
        with Folder.open(bundle) as folder, folder.lock():
            manifest = document_or_none(folder, MANIFEST_FILE)
            try:
                take = read_take(folder, manifest)
                refuse_outdated(folder, take.session)
                coached = as_it_stands(folder, manifest or {}, decide(take))
                if coached.new:
                    file = folder.write_visible(COACH_FILE, coaching_bytes(coached.coaching))
                    self._settle(folder, coached, file, visible)
                else:
                    _forget_error(folder)
            except (InvalidInput, UnsafePath) as error:
                self._refuse(folder, error)
                raise BundleRefused(str(error)) from error
            finally:
                _tidy(folder)
        return coached

    def _analyse(self, bundle: Path) -> bool:
        """Make the session.json of a bundle that holds a take.mid alone; return whether there is one now."""
        with Folder.open(bundle) as folder:
            try:
                return analyse_take_file(folder, self._analysed)
            except (InvalidInput, UnsafePath, ExtraMissing) as error:
                with folder.lock():
                    self._refuse(folder, error)
                raise BundleRefused(str(error)) from error

    def _settle(self, folder: Folder, coached: Coached, file: Unsettled, visible: Callable[[Coached], None]) -> None:
        """Everything that the player does not wait for."""
        try:
            visible(coached)
        finally:
            folder.settle(file)
        entry = artifact("coach", "coach", COACH_FILE, file.data, input_sha256=coached.take.take_id)
        self._list(folder, _manifest(folder), entry, coached.take.clip_id)
        _forget_error(folder)

    def _attach(self, coached: Coached, data: bytes, entry: dict[str, Any]) -> None:
        with Folder.open(coached.take.bundle) as folder, folder.lock():
            manifest = _manifest(folder)
            coach = coach_entry(manifest)
            if coach is None or coach.get("input_sha256") != coached.take.take_id:
                raise StaleTake
            name = str(entry["path"])
            try:
                folder.write(name, data)
                self._list(folder, manifest, entry, coached.take.clip_id)
            except BaseException as error:
                if _take_back(folder, manifest, name):
                    raise
                _log.warning("ai_file_stays", bundle=str(folder.path), file=name, error=str(error))

    def _list(self, folder: Folder, manifest: dict[str, Any], entry: dict[str, Any], clip_id: str) -> None:
        now = utc_text(self._clock.now())
        folder.write(
            MANIFEST_FILE, to_json_bytes(manifest_with(manifest, entry=entry, clip_id=clip_id, created_at_utc=now))
        )

    def _refuse(self, folder: Folder, error: CoachError) -> None:
        """Leave `clip.error.json`; the input stays untouched. The same error again writes nothing."""
        message, name = shown(str(error), MAX_MESSAGE), shown(folder.path.name)
        document = {"error_code": "VALIDATION_ERROR", "message": message, "clip_id": name}
        found = document_or_none(folder, ERROR_FILE)
        if found is None or any(found.get(key) != value for key, value in document.items()):
            document["created_at_utc"] = utc_text(self._clock.now())
            folder.write(ERROR_FILE, to_json_bytes(document))


class _Out:
    """Passes on that a hint is out, and remembers it: the bundle may vanish right after, and it is no new take then."""

    def __init__(self, visible: Callable[[Coached], None]) -> None:
        self._visible = visible
        self.hint = False

    def __call__(self, coached: Coached) -> None:
        self.hint = True
        self._visible(coached)


class _Told:
    """Tells the event loop of a hint that is out, once: as soon as it listens, at the latest when its cycle goes on."""

    def __init__(self, visible: Callable[[Coached], None]) -> None:
        self._visible = visible
        self._waiting: list[Coached] = []

    def leave(self, leave: Leave, coached: Coached) -> None:
        self._waiting.append(coached)
        leave(self.tell)

    def tell(self) -> None:
        if self._waiting:
            self._visible(self._waiting.pop())


def settle_queued(bundle: Path, digest: str) -> bool:
    """Finish what a crash left of applying an earlier reply (see spool_recovery.Settle). Blocking.

    Returns whether the bundle holds the reply with that digest; its manifest then lists it.
    """
    with Folder.open(bundle) as folder, folder.lock():
        raw = folder.read_if_there(QUEUED_FILE, MAX_DOCUMENT_BYTES)
        if raw is None or sha256_bytes(raw) != digest:
            return False
        manifest, entry = _manifest(folder), artifact("ai_coach_queued", "ai_coach", QUEUED_FILE, raw)
        if entry not in entries(manifest):
            folder.write(MANIFEST_FILE, to_json_bytes(manifest_with(manifest, entry=entry)))
        return True


def _manifest(folder: Folder) -> dict[str, Any]:
    """Return the manifest, empty if there is none. Raises InvalidInput if it is there and cannot be read."""
    raw = folder.read_if_there(MANIFEST_FILE, MAX_DOCUMENT_BYTES)
    try:
        return {} if raw is None else parse_json_object(raw)
    except InvalidInput as error:
        raise error.in_file(MANIFEST_FILE) from error


def _take_back(folder: Folder, manifest: dict[str, Any], name: str) -> bool:
    """Let go of a file that could not be made durable: first where it is listed, then itself.

    A disk call that failed may have had its effect. Returns False if the file stays: it is shown then, listed or to be
    listed at the next start, and must not be put anywhere else.
    """
    with contextlib.suppress(OSError, CoachError):
        if any(entry.get("path") == name for entry in entries(_manifest(folder))):
            folder.write(MANIFEST_FILE, to_json_bytes(manifest))
        folder.unlink(name)
        folder.sync()
    return not folder.exists(name)


def _tidy(folder: Folder) -> None:
    """Remove what a dead writer left; all who write into a bundle hold its lock, as the caller does now."""
    with contextlib.suppress(OSError):
        folder.remove_stale_temporaries()


def _forget_error(folder: Folder) -> None:
    """A corrected input takes its error file away (a generator's own error stays)."""
    found = document_or_none(folder, ERROR_FILE)
    if found is not None and found.get("error_code") == "VALIDATION_ERROR":
        folder.unlink(ERROR_FILE)
