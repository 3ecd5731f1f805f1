"""The hostile inputs by number, and where each of them is tested.

A test with the number in its id (`ID-01-empty`, `test_id_17_…`) needs no entry in `ELSEWHERE`; that table names tests
that stand with their own subject. `test_table.py` checks that each number has a test that pytest collects.
"""

from __future__ import annotations

from typing import Final


def _numbered(family: str, texts: str) -> dict[str, str]:
    return {f"{family}-{number:02}": text.strip() for number, text in enumerate(texts.split(" · "), start=1)}


CASES: Final[dict[str, str]] = {
    **_numbered(
        "ID",
        "empty · `.` · `..` · `../../etc/passwd` · absolute · slash · backslash · NUL · trailing newline · ESC · "
        "239 characters · 128 two-byte characters · leading dot · `x.tmp` · `x_ai_addendum.json` · `-rf` · "
        "two that differ by case · by NFC/NFD · fullwidth dots · bidi · lone surrogate · number, null, list · "
        "non-UUID session · upper-case and braced UUID · percent-encoded · `~root` · two bundles with one id",
    ),
    **_numbered(
        "JSON",
        "0 bytes · 200 NULs · valid + NULs · cut in a string · scalar or list at the top · duplicate keys · "
        "NaN, infinities, 1e400 · 4,000-digit integer · depth 500 and 100,000 · 10 MB string · 100,000 keys · BOM · "
        "UTF-16 · bytes FF, C0 AF, ED A0 80 · raw control character · comments, trailing comma, single quotes · "
        'two documents · "5", 5.0, true for an integer · wrong `schema_id`, `v2` · confidence 1.5 · latency −1 · '
        "`queued` contradicting its place · clip id contradicting the file name",
    ),
    **_numbered(
        "TIME",
        "missing · impossible · without zone · +99:99 · year 1 · year 9999 · an hour ahead · exactly 300.000 s · "
        "300.001 s · leap second · 1970, then a step · an hour back · frozen ten minutes",
    ),
    **_numbered(
        "FILE",
        "symlink · dangling · loop · planted at the temporary's name · FIFO · socket · folder named like an entry · "
        "hard-link count 2 · mode 000 · other owner · name not UTF-8 · sparse 5 GB · 100,000 entries · "
        "`pending` missing · a file · a symlink · 0777 · read-only · `applied` on another device · "
        "same name already applied · removed or replaced between listing and open · disk full · inodes full · "
        "bundle without tags · removed in mid-write · stale temporaries of a dead process",
    ),
    **_numbered(
        "AI",
        "black hole · drip · endless · reset in mid-body · HTML with 200 · `{}` · empty content · tool use only · "
        '`max_tokens` · `refusal` · 429 and 529 with `retry-after` 60, 1e9, −1, "soon", none · '
        "replies at 499, 500, 501 ms · two replies for one clip · texts with ESC, bidi · 1 MB · only blanks · "
        "script tags · a reply with its own score or hint · injection in names · DNS and TLS failure · "
        "key missing · key with a newline · key revoked",
    ),
    **_numbered(
        "ARC",
        "absolute path, `..`, drive, backslash · symlink · a file that the manifest does not list · "
        "a path or zip name twice · more than 4,096 entries, 65,536 · expanded size, ratio · encrypted · "
        "quoted-overlap bomb · name with NUL · name with newline, 300 characters · `A.json` + `a.json` · prefix junk · "
        "bad CRC · artifact path to a folder or to the manifest itself · sizes −1, 0, 1.5 · hash upper case, short · "
        "another manifest's signature",
    ),
    **_numbered("HTTP", "the generator's server"),
    **_numbered(
        "ENV",
        "`AI_COACH_ENABLED` empty · `True ` · `0` · `maybe` · HOME unset · HOME read-only · umask 000 · umask 777 · "
        "LANG=C · 16 open files",
    ),
}

_EVENING = "tests/process/test_worker_bad_ai.py::test_every_bad_evening_leaves_a_deterministic_bundle_one_event_"
_FAULTS = "tests/unit/test_ai_client.py::test_every_fault_is_one_of_our_errors"
_OTA = "tests/process/test_ota_hostile.py::"

ELSEWHERE: Final[dict[str, tuple[str, ...]]] = {
    **{f"AI-{number:02}": (_EVENING, _FAULTS) for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)},
    "AI-11": ("tests/unit/test_ai_client.py::test_retry_after_is_honoured_within_reason",),
    "AI-12": ("tests/unit/test_race.py::test_a_reply_is_in_the_bundle_or_in_the_queue_by_its_time",),
    "AI-13": ("tests/conformance/test_spool.py::test_the_newest_reply_of_a_clip_wins",),
    "AI-14": ("tests/unit/test_grounding.py::test_a_hidden_character_refuses_the_text",),
    "AI-15": ("tests/conformance/test_providers.py::test_five_megabytes_are_cut_off",),
    "AI-16": ("tests/unit/test_grounding.py::test_blanks_say_nothing",),
    "AI-17": ("tests/unit/test_grounding.py::test_a_link_or_markup_refuses_the_text",),
    "AI-18": ("tests/unit/test_packet.py::test_what_is_no_addendum_about_this_clip_is_refused",),
    "AI-19": ("tests/unit/test_prompt.py::test_a_program_name_is_sanitised",),
    "AI-20": (
        "tests/conformance/test_providers.py::test_nobody_listens",
        "tests/conformance/test_providers.py::test_a_plain_port_that_should_speak_tls",
    ),
    "AI-21": ("tests/process/test_cli_ai.py::test_ping_without_a_key",),
    "AI-22": ("tests/unit/test_settings.py::test_unusable_key_is_refused_without_showing_it",),
    "AI-23": ("tests/conformance/test_providers.py::test_a_key_that_stops_working_in_mid_session",),
    "ARC-01": (_OTA + "test_a_name_that_could_lead_elsewhere", _OTA + "test_a_manifest_that_lies"),
    "ARC-02": (_OTA + "test_an_entry_that_is_no_plain_file", _OTA + "test_an_attachment_that_is_no_plain_file"),
    "ARC-03": (_OTA + "test_a_file_that_nobody_listed",),
    "ARC-04": (_OTA + "test_the_same_name_twice", _OTA + "test_a_manifest_that_lies[False-a path twice"),
    "ARC-05": (_OTA + "test_too_many_entries[4097", _OTA + "test_too_many_entries[65536"),
    "ARC-06": (_OTA + "test_a_bomb", _OTA + "test_too_much_in_many_small_steps"),
    "ARC-07": (_OTA + "test_an_encrypted_entry",),
    "ARC-08": (_OTA + "test_overlapping_entries",),
    "ARC-09": (_OTA + "test_a_name_with_a_nul",),
    "ARC-10": (_OTA + "test_a_name_that_could_lead_elsewhere",),
    "ARC-11": (_OTA + "test_a_manifest_that_lies[False-case twins", _OTA + "test_a_name_that_could_lead_elsewhere"),
    "ARC-12": (_OTA + "test_junk[before",),
    "ARC-13": (_OTA + "test_a_bad_checksum",),
    "ARC-14": (
        _OTA + "test_a_manifest_that_lies[False-a folder",
        _OTA + "test_a_manifest_that_lies[False-the manifest",
    ),
    "ARC-15": (_OTA + "test_a_manifest_that_lies[False-a size of",),
    "ARC-16": (_OTA + "test_a_manifest_that_lies[False-a short hash", "tests/unit/test_ota_models.py::"),
    "ARC-17": (_OTA + "test_another_manifests_signature",),
}

GENERATORS: Final = "tests/process/test_generator_*"
"""HTTP: tested with the generator."""
