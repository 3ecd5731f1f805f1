"""What a clip's bundle says about its music: tags, arrangement, MIDI files. Blocking; nothing is changed.

Tags may be another writer's: what is missing or of the wrong type counts as not said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sg_coach.contract import BASS_FILE, CLIP_FILE, COMP_FILE, TAGS_FILE
from sg_coach.documents import document_or_none
from sg_coach.errors import InvalidInput
from sg_coach.files import Folder
from sg_coach.models import Density, Syncopation
from sg_coach.untrusted import shown

from .answers import Notes
from .clip_sound import Sound, sound_of
from .errors import NotFound
from .models import DENSITIES, METERS, SYNCOPATIONS

FILES: Final = (CLIP_FILE, COMP_FILE, BASS_FILE)
MAX_FILE_BYTES: Final = 1024 * 1024

_PARTS: Final = {"comp": COMP_FILE, "bass": BASS_FILE}
_MAX_BARS: Final = 10_000
_DEFAULT_BPM: Final = 120.0


@dataclass(frozen=True, slots=True)
class Tags:
    """What `clip.tags.json` says, as far as it can be used."""

    session_id: str | None
    created_at: str | None
    style: str | None
    key: str | None
    bars: int | None
    swing: float | None
    tempo_bpm: float | None
    density: Density
    syncopation: Syncopation


def tags_of(folder: Folder) -> Tags:
    """Return the tags of an open bundle; nothing said if they cannot be read."""
    found = document_or_none(folder, TAGS_FILE) or {}
    bars = found.get("bars")
    return Tags(
        session_id=_text(found.get("session_id")),
        created_at=_text(found.get("created_at")),
        style=_text(found.get("style")),
        key=_text(found.get("key")),
        bars=bars if type(bars) is int and 0 < bars <= _MAX_BARS else None,
        swing=_number(found.get("swing_ratio")),
        tempo_bpm=_number(found.get("tempo_bpm")),
        density=next((one for one in DENSITIES if one == found.get("density_bucket")), "medium"),
        syncopation=next((one for one in SYNCOPATIONS if one == found.get("syncopation_bucket")), "light"),
    )


def clip_file(folder: Folder, clip_id: str, name: str) -> bytes:
    """Return one of the clip's MIDI files. Raises NotFound, UnsafePath, InvalidInput, OSError."""
    if name not in FILES:
        raise NotFound(f"name: there is no file '{shown(name, 40)}'; there are {', '.join(FILES)}")
    try:
        return folder.read(name, MAX_FILE_BYTES)
    except FileNotFoundError as error:
        raise NotFound(f"{clip_id}: its bundle has no {name}") from error


def notes_of(folder: Folder, clip_id: str) -> Notes:
    """Return the arrangement. Raises NotFound if there are no parts, InvalidInput naming the file, OSError."""
    sounds = {part: sound_of(data, name) for part, name in _PARTS.items() if (data := _read(folder, name)) is not None}
    if not sounds:
        raise NotFound(f"{clip_id}: its bundle has neither {COMP_FILE} nor {BASS_FILE}")
    tags, sound = tags_of(folder), next(iter(sounds.values()))
    count, unit = map(int, sound.meter.split("/"))
    bar_s = count * 4 / unit * 60 / sound.tempo_bpm
    bars = tags.bars or max(1, -int(-_end(sounds) // bar_s))
    return Notes(
        clip_id=clip_id,
        session_id=tags.session_id,
        created_at=tags.created_at,
        style=tags.style,
        key=tags.key,
        tempo_bpm=sound.tempo_bpm,
        meter=sound.meter,
        bars=bars,
        beats_a_bar=count,
        duration_s=round(bars * bar_s, 5),
        swing=tags.swing,
        chords=list(sound.chords),
        tracks={part: list(one.notes) for part, one in sounds.items()},
    )


def quarters_a_minute(folder: Folder) -> tuple[float, str]:
    """Return the clip's tempo and meter, 120 and 4/4 if nothing usable says them."""
    try:
        data = _read(folder, COMP_FILE)
        if data is not None:
            sound = sound_of(data, COMP_FILE)
            return sound.tempo_bpm, sound.meter
    except InvalidInput:
        pass  # the worker will say what is wrong with it
    found: dict[str, Any] = document_or_none(folder, TAGS_FILE) or {}
    meter = found.get("meter")
    return _number(found.get("tempo_bpm")) or _DEFAULT_BPM, meter if meter in METERS else "4/4"


def _read(folder: Folder, name: str) -> bytes | None:
    return folder.read_if_there(name, MAX_FILE_BYTES)


def _end(sounds: dict[str, Sound]) -> float:
    return max((note.time_s + note.duration_s for sound in sounds.values() for note in sound.notes), default=0.0)


def _text(value: object) -> str | None:
    return shown(value, 200) if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1000
    return float(value) if usable else None  # type: ignore[arg-type]
