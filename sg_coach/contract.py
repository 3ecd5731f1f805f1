"""Names and versions that other programs rely on. Nothing here changes within a major contract version."""

from __future__ import annotations

from typing import Final

COACH_CONTRACT_VERSION: Final = "v1"
"""Version of the coaching contract that every record, evaluation and assignment carries."""

BUNDLE_VERSION: Final = "v1.1"
"""Version that the worker writes into `manifest.json`."""

MAX_SESSION_BYTES: Final = 1024 * 1024
"""Largest `session.json` that is read, in bytes (1 MiB)."""

CLIP_ID_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
"""A clip id: 1 to 128 characters of `A-Z a-z 0-9 . _ -`, starting with a letter or a digit (use fullmatch)."""

TAKE_FILE: Final = "take.mid"
"""What was played, as a Standard MIDI File; the analyser makes `session.json` of it."""

INDEX_FILE: Final = "session.index.json"
"""What happened in a folder of bundles, an entry a take and event; generator and worker append to it."""

COMP_FILE: Final = "clip.comp.mid"
"""The comping of a clip, as a Standard MIDI File: what a take of it is measured against."""
