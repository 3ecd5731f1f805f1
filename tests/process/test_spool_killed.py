"""Forty workers in a row, each killed with SIGKILL somewhere in its work: every reply is in one place, once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from sg_coach.contract import QUEUED_FILE
from sg_hybrid.queue_entry import clip_of_entry, parse_entry
from sg_hybrid.queue_folders import FOLDERS
from sg_hybrid.spool_recovery import recover
from tests.late_replies import names
from tests.process.spool_victim import holds

HERE = Path(__file__).parents[2]


def clips(root: Path, folder: str) -> list[str]:
    return [clip_of_entry(name) or name for name in names(root / "queue", folder)]


def test_every_acknowledged_reply_is_in_one_place_and_every_tip_is_shown_once(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "tests.process.spool_victim", str(tmp_path)], cwd=HERE, check=True)
    journal = [line.split() for line in (tmp_path / "journal").read_text().splitlines()]
    recover(tmp_path / "queue", holds)

    acknowledged = {clip_id for what, clip_id in journal if what == "put"}
    finished = {clip_id for what, clip_id in journal if what == "finished"}
    pending, applied = clips(tmp_path, "pending"), clips(tmp_path, "applied")
    shown = [path.read_bytes() for path in tmp_path.glob(f"bundles/*/{QUEUED_FILE}")]
    whole = [parse_entry(raw, raw.split(b'"clip_id": "')[1].split(b'"')[0].decode()) for raw in shown]

    assert len(acknowledged) > 20
    assert acknowledged <= {*pending, *applied}
    assert not {*pending} & {*applied}
    assert Counter(entry.addendum.clip_id for entry in whole) == Counter(applied), "shown and applied are one thing"
    assert finished <= {*applied}
    assert clips(tmp_path, "claimed") == clips(tmp_path, "rejected") == []
    left = {name for folder in FOLDERS for name in names(tmp_path / "queue", folder) if name.endswith(".tmp")}
    assert left == set()
