"""Prepared tips, kept in memory and in `prepared/` under the queue root, one file a tip.

A text is taken at most once, so nobody reads the same words twice in a session; its file follows right after. What is
too old is never taken and is removed at the start; what cannot be removed, such as a folder, stays and is said. What
another prompt version or model made has another key: it is never asked for, and goes with its age.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

import anyio
import structlog

from sg_coach.errors import CoachError
from sg_coach.files import PRIVATE, Folder
from sg_coach.jsontext import parse_json_object, to_json_bytes
from sg_coach.timestamps import parse_rfc3339

from .errors import AiInvalid
from .fs import run_blocking
from .models import MODEL_ID_PATTERN
from .ports import Clock
from .prepared import SLOTS_OF, PreparedTip, TipClass, TipKey, check_template
from .queue_folders import PREPARED

MAX_TIP_BYTES: Final = 4096
MAX_TIPS: Final = 4096
"""So many tips are kept at most; of more, the oldest goes."""

MAX_TEXTS: Final = 6
LOW: Final = 2
"""With fewer texts left than this, new ones are asked for."""

_log = structlog.get_logger(__name__)


class TipBank:
    """The prepared tips of one queue. Make it with `open`, while the queue's lock is held."""

    def __init__(self, folder: Path, clock: Clock, keep_s: float) -> None:
        self._folder = folder
        self._clock = clock
        self._keep = timedelta(seconds=keep_s)
        self._tips: dict[TipKey, PreparedTip] = {}
        self._changed: set[TipKey] = set()
        self._saving = anyio.Lock()

    @classmethod
    async def open(cls, root: Path, clock: Clock, *, keep_s: float = 86_400.0) -> Self:
        """Read what is there; make the folder (0700) if it is not. Raises OSError, UnsafePath."""
        bank = cls(root / PREPARED, clock, keep_s)
        await run_blocking(bank._load)
        return bank

    def __len__(self) -> int:
        return len(self._tips)

    def wanted(self, keys: Iterable[TipKey]) -> list[TipKey]:
        """Return which of these have so few texts (or so old ones) that new ones should be asked for."""
        return [key for key in keys if (tip := self.peek(key)) is None or len(tip.texts) < LOW]

    def peek(self, key: TipKey) -> PreparedTip | None:
        """Return the tip for a key, if it is there and young enough; its first text is the next to be shown."""
        tip = self._tips.get(key)
        return tip if tip is not None and tip.texts and self._is_young(tip) else None

    def take(self, key: TipKey) -> PreparedTip | None:
        """Return the tip and use up its first text: nobody else gets it. Call `save_used` soon."""
        tip = self.peek(key)
        if tip is not None:
            self._tips[key] = tip.without_first()
            self._changed.add(key)
        return tip

    async def put(self, tip: PreparedTip) -> None:
        """Keep a tip, durably; texts that are left of an older one follow its own. Raises OSError if it could not."""
        older = self.peek(tip.key)
        left = tuple(text for text in (older.texts if older else ()) if text not in tip.texts)
        self._tips[tip.key] = replace(tip, texts=(tip.texts + left)[:MAX_TEXTS])
        self._changed.add(tip.key)
        if len(self._tips) > MAX_TIPS:
            oldest = min((one for one in self._tips.values() if one.key != tip.key), key=_moment)
            self._tips[oldest.key] = replace(oldest, texts=())
            self._changed.add(oldest.key)
        await self.save_used()

    async def save_used(self) -> None:
        """Bring the files of tips that changed up to date. Raises OSError; what was not saved is tried again then."""
        async with self._saving:  # one after the other: an older state must not end up in a file
            keys, self._changed = self._changed, set()
            try:
                if keys:
                    await run_blocking(self._save, [self._tips[key] for key in keys])
            except BaseException:
                self._changed |= keys
                raise
            for key in keys - self._changed:
                if not self._tips[key].texts:
                    del self._tips[key]

    def _is_young(self, tip: PreparedTip) -> bool:
        return abs(self._clock.now() - _moment(tip)) <= self._keep  # a clock that was ahead makes no tip immortal

    # In threads

    def _load(self) -> None:
        with Folder.make_private(self._folder) as folder, folder.lock():
            folder.remove_stale_temporaries()
            for name in list(_tip_files(folder)):
                tip = self._read(folder, name)
                if tip is None or not self._is_young(tip):
                    _remove(folder, name)
                else:
                    self._tips[tip.key] = tip

    def _read(self, folder: Folder, name: str) -> PreparedTip | None:
        try:
            tip = tip_from_document(parse_json_object(folder.read(name, MAX_TIP_BYTES)))
        except (CoachError, AiInvalid, OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("prepared_tip_unreadable", file=name, reason=str(error))
            return None
        return tip if file_name(tip.key) == name else None

    def _save(self, tips: list[PreparedTip]) -> None:
        with Folder.make_private(self._folder) as folder:
            for tip in tips:
                if tip.texts:
                    folder.write(file_name(tip.key), to_json_bytes(document_from_tip(tip)), mode=PRIVATE)
                else:
                    folder.unlink(file_name(tip.key))


def file_name(key: TipKey) -> str:
    """Return a name that a person can read and that no two keys share."""
    identity = "\0".join((key.program, key.tip_class, key.prompt_version, key.model))
    slug = re.sub(r"[^A-Za-z0-9]+", "-", key.program).strip("-").lower()[:40] or "any"
    return f"{slug}__{key.tip_class}__{sha256(identity.encode()).hexdigest()[:12]}.json"


def document_from_tip(tip: PreparedTip) -> dict[str, Any]:
    """Return the JSON object of a tip's file."""
    return {
        "program": tip.key.program,
        "class": str(tip.key.tip_class),
        "prompt_version": tip.key.prompt_version,
        "model": tip.key.model,
        "model_id": tip.model_id,
        "texts": list(tip.texts),
        "prepared_at_utc": tip.prepared_at_utc,
    }


def tip_from_document(document: dict[str, Any]) -> PreparedTip:
    """Return the tip that a file holds; the rules for templates hold for what comes from the disk too.

    Raises AiInvalid, ValueError, KeyError or TypeError if it is none.
    """
    tip_class, texts = TipClass(document["class"]), tuple(document["texts"])
    for text in texts:
        check_template(text, SLOTS_OF[tip_class])
    if not texts or not re.fullmatch(MODEL_ID_PATTERN, document["model_id"]):
        raise AiInvalid("no texts, or a model_id that is not provider:model@version")
    parse_rfc3339(document["prepared_at_utc"])
    key = TipKey(str(document["program"]), tip_class, str(document["prompt_version"]), str(document["model"]))
    return PreparedTip(key, texts, document["model_id"], document["prepared_at_utc"])


def _moment(tip: PreparedTip) -> datetime:
    return parse_rfc3339(tip.prepared_at_utc)


def _remove(folder: Folder, name: str) -> None:
    try:
        folder.unlink(name)
    except OSError as error:  # a folder of that name, a disk that refuses: nobody is shown it anyway
        _log.warning("prepared_tip_stays", path=str(folder.path / name), error=str(error))


def _tip_files(folder: Folder) -> Iterator[str]:
    return (name for name in folder.names() if name.endswith(".json") and not name.startswith("."))
