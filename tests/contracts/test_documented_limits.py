"""The limits that the documents name are those of the code: each stands here with the words that promise it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sg_coach import ota_manifest, untrusted
from sg_coach.take import align, latency
from sg_generator import event_stream, http_api, models, request_policy, server, session_story, take_input, watch
from sg_generator import worker_status as status
from sg_hybrid import (
    breaker,
    bundle,
    inotify_watch,
    layout,
    ledger,
    policy,
    preparer,
    refusals,
    scanner,
    take_intake,
    worker,
)

ROOT = Path(__file__).parents[2]
KIB, MIB = 1024, 1024 * 1024

LIMITS: dict[str, list[tuple[object, object, str]]] = {
    "docs/operating.md": [
        (take_intake.MAX_TAKE_BYTES, 256 * KIB, "a MIDI file of type 0 or 1, at most 256 KiB"),
        (refusals.MOST_REFUSED, 256, "for the last 256 refused takes"),
    ],
    "docs/architecture.md": [
        (worker.LONE_TAKE_S, 0.05, "for 50 ms at most"),
        (preparer.CALLS_AT_ONCE, 3, "three calls at a time"),
        (scanner.RESCAN_BUDGET, 200, "at 200 bundles of the older days and 200 directly under each root"),
        (ledger.KEPT_DAYS, 31, "by day (UTC), a month back"),
        (layout.NEWEST_DAYS, 2, "looks at the two newest days"),
        (
            (http_api.MAKING_THREADS, http_api.WRITING_THREADS, http_api.READING_THREADS),
            (2, 32, 8),
            "(2 make, 32 write, 8 read)",
        ),
    ],
    "docs/ai.md": [(preparer.MOST_UNUSABLE, 18, "are refused 18 times in a row")],
    "docs/api.md": [
        (request_policy.MAX_BODY_BYTES, 256 * KIB, "their body may have 256 KiB"),
        (server.MAX_CONNECTIONS, 256, "one connection too many (256 at once)"),
        (event_stream.ALIVE_EVERY_S, 15, "A comment line every 15 s"),
        (watch.MAX_LISTENERS, 32, "At most 32 listeners"),
        (session_story.MAX_EACH, 200, "the newest 200 of each"),
        (session_story.MAX_DAYS, 60, "from the newest 60 days"),
    ],
    "docs/generator.md": [
        (
            (models.MAX_CHORDS, models.MAX_ENTRY, models.MAX_BARS, models.MIN_TEMPO, models.MAX_TEMPO),
            (1000, 200, 256, 30, 300),
            "1 to 1,000 entries of up to 200 characters, 1 to 256 bars, 30 to 300 bpm",
        ),
    ],
    "docs/ota.md": [
        (untrusted.MAX_ENTRIES, 4096, "more than 4,096 entries"),
        (untrusted.MAX_EXPANDED_BYTES, 256 * MIB, "more than 256 MiB unpacked"),
        (untrusted.MAX_RATIO, 100, "more than 100:1"),
        (untrusted.MAX_NAME_BYTES, 255, "longer than 255 bytes"),
        (ota_manifest.MAX_MANIFEST_BYTES, 4 * MIB, "a manifest over 4 MiB"),
    ],
    "docs/take-analysis.md": [(latency.SEARCHED, 5000, "the first 5,000 tell it")],
    "docs/decisions/0007-prepared-tips.md": [(preparer.PATIENCE_S, 4, "more than four seconds")],
    "docs/decisions/0008-daily-limit.md": [(ledger.SAVE_PAUSE_S, 1, "saved within a second")],
    "docs/decisions/0009-breaker.md": [(breaker.MAX_PAUSE_S, 600, "It lasts ten minutes at most")],
    "docs/decisions/0010-lone-takes-at-once.md": [
        (inotify_watch.READERS, 3, "three threads wait for folder events"),
        (bundle.HINT_THREADS, 32, "its 32 hint threads"),
    ],
    "docs/decisions/0030-takes-against-their-clip.md": [
        ((align.WIDEST_WINDOW_MS, align.BEAT_SHARE), (250, 0.45), "250 ms or 45 % of a beat, whichever is less"),
        ((align.FAR_MS, align.FAR_SPREADS), (50, 5), "beyond 50 ms and five spreads"),
    ],
    "docs/decisions/0070-http-on-the-disk.md": [
        (watch.LOOK_EVERY_S, 0.05, "every 50 ms"),
        (status.FRESH_S, 0.5, "at most twice a second"),
    ],
    "queue/README.md": [(policy.WRITING_TIME_S, 2, "is left alone for 2 seconds")],
}
"""By document: what the code has, what it is to be, and the words."""


@pytest.mark.parametrize(
    ("document", "real", "limit", "words"),
    [(document, *row) for document, rows in LIMITS.items() for row in rows],
)
def test_a_documented_limit_is_the_codes(document: str, real: object, limit: object, words: str) -> None:
    assert real == limit
    assert words in (ROOT / document).read_text("utf-8")


def test_whatever_take_the_page_and_the_api_accept_is_measured() -> None:
    """A file goes through the page as base64 in a body, then into the bundle, then to the worker."""
    script = (ROOT / "sg_generator" / "page" / "takefile.js").read_text("utf-8")
    found = re.search(r"MOST_BYTES = (\d+) \* 1024;", script)
    assert found
    kib = int(found[1])
    assert f"{kib} KiB at most" in (ROOT / "docs" / "practice-page.md").read_text("utf-8")
    assert kib * KIB * 4 / 3 < request_policy.MAX_BODY_BYTES - KIB
    assert take_input.MAX_TAKE_BYTES <= take_intake.MAX_TAKE_BYTES
