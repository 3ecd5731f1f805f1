"""Names and versions that other programs rely on. Nothing here changes within a major contract version."""

from __future__ import annotations

from typing import Final

COACH_CONTRACT_VERSION: Final = "v1"
"""Version of the coaching contract that every record, evaluation and assignment carries."""

BUNDLE_VERSION: Final = "v1.1"
"""Version that the worker writes into `manifest.json`."""

MAX_SESSION_BYTES: Final = 1024 * 1024
"""Largest `session.json` that is read, in bytes (1 MiB)."""

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
"""Largest other JSON document of a bundle that is read, in bytes (4 MiB)."""

CLIP_ID_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
"""A clip id: 1 to 128 characters of `A-Z a-z 0-9 . _ -`, starting with a letter or a digit (use fullmatch)."""

OTA_PREFIX: Final = "ota_bundle__"
"""What the name of a bundle folder in the OTA layout begins with; the clip id follows."""

# The files of a bundle: contracts/BUNDLE.md.

CLIP_FILE: Final = "clip.mid"
COMP_FILE: Final = "clip.comp.mid"
"""The comping of a clip, as a Standard MIDI File: what a take of it is measured against."""
BASS_FILE: Final = "clip.bass.mid"
TAGS_FILE: Final = "clip.tags.json"
"""What a clip was asked to be: tempo, meter, style, chords, session."""
RUNLOG_FILE: Final = "clip.runlog.json"
SESSION_FILE: Final = "session.json"
"""The instrument's facts of a take."""
TAKE_FILE: Final = "take.mid"
"""What was played, as a Standard MIDI File; the analyser makes `session.json` of it."""
COACH_FILE: Final = "clip.coach.json"
AI_FILE: Final = "clip.ai_coach.json"
QUEUED_FILE: Final = "clip.ai_coach.queued.json"
"""An earlier take's late reply that fitted this one."""
ERROR_FILE: Final = "clip.error.json"
FEEDBACK_FILE: Final = "clip.feedback.json"
FEEDBACK_REF_FILE: Final = "clip.feedback.ref.json"
MANIFEST_FILE: Final = "manifest.json"

INDEX_FILE: Final = "session.index.json"
"""What happened in a folder of bundles, an entry a take and event; generator and worker append to it."""
