"""The accounts of the soak: each end of a reply is told from the others, and a loss is not talked away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from .accounts import account
from .conductor import TTL_S, WINDOW_S, Soak
from .lives import GRACE_S, Life, Processes
from .marks import mark_of
from .place import Place
from .plan import plan

NOON = 1_800_000_000.0
MARK = mark_of(7)


class Evening:
    """One take of one session, one worker, one reply; what the logs and folders say of it is up to the test."""

    def __init__(self, base: Path) -> None:
        self.place = Place(base, 1)
        self.place.logs.mkdir(parents=True)
        self.sessions = plan(2, 1, 1)
        self.take = self.sessions[0][0]
        self.lines: list[dict[str, Any]] = []
        self.journal: list[dict[str, Any]] = []
        self.how, self.ended = "term", NOON + 60
        self.called, self.sent, self.kind = NOON + 1, NOON + 2, "valid"

    def file(self, path: str, mark: str = MARK) -> None:
        file = self.place.disk / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"coaching_tip": f"Think of {mark}."}))

    def said(self, event: str, at: float = NOON + 3, **fields: Any) -> None:
        from datetime import UTC, datetime

        moment = datetime.fromtimestamp(at, UTC).isoformat()
        self.lines.append({"event": event, "clip": self.take.clip_id, "level": "info", "timestamp": moment, **fields})

    def accounts(self) -> Any:
        log = self.place.logs / "worker-0000.jsonl"
        log.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        journal = [
            {"t": self.called, "event": "call", "uid": 7, "take": self.take.number, "kind": self.kind, "mark": MARK},
            {"t": self.sent, "event": "sent", "uid": 7},
            *self.journal,
        ]
        (self.place.logs / "service-0000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal))
        life = Life(0, log, None, NOON, asked=self.ended, how=self.how, ended=self.ended + 0.1)  # type: ignore[arg-type]
        processes = Processes(self.place, 0, 1, {}, lives=[life])
        return account(Soak(self.place, processes, self.sessions, 60.0, 1))


@pytest.fixture
def evening(tmp_path: Path) -> Evening:
    return Evening(tmp_path)


def test_in_its_bundle(evening: Evening) -> None:
    evening.file(f"{evening.take.folder}/clip.ai_coach.json")
    found = evening.accounts()
    assert (found.ended, found.violations) == ({"bundle": 1}, [])


def test_applied_means_in_the_queue_and_in_one_later_bundle(evening: Evening) -> None:
    evening.file("queue/applied/x_ai_addendum.json")
    assert len(evening.accounts().violations) == 1
    evening.file(f"{evening.sessions[0][1].folder}/clip.ai_coach.queued.json")
    found = evening.accounts()
    assert (found.ended, found.violations) == ({"applied": 1}, [])
    evening.file(f"{evening.take.folder}/clip.ai_coach.queued.json")
    assert "stands in" in evening.accounts().violations[0]


def test_what_a_new_take_cleared_away_unseen_is_told_by_its_cycle_and_only_there(evening: Evening) -> None:
    evening.said("cycle", ai_origin="live", applied=None)
    assert "is nowhere" in evening.accounts().violations[0], "nobody took this clip again: the file has to be there"
    evening.sessions[0][1] = replace(evening.sessions[0][1], clip_id=evening.take.clip_id, retake=True)
    assert evening.accounts().ended == {"replaced": 1}
    evening.lines.clear()
    evening.said("cycle", at=evening.sent - 5, ai_origin="live", applied=None)
    assert "is nowhere" in evening.accounts().violations[0], "that was an earlier reply"


def test_shown_twice_is_a_violation(evening: Evening) -> None:
    evening.file(f"{evening.take.folder}/clip.ai_coach.json")
    evening.file("queue/pending/x_ai_addendum.json")
    assert "stands in" in evening.accounts().violations[0]


def test_expired_has_to_be_said(evening: Evening) -> None:
    assert "is nowhere" in evening.accounts().violations[0]
    evening.said("reply_expired", reason="ttl")
    found = evening.accounts()
    assert (found.ended, found.violations) == ({"expired": 1}, [])


def test_a_batch_of_expiries_names_its_clips(evening: Evening) -> None:
    evening.said("reply_expired", clip=None, reason="ttl", clips=["other", evening.take.clip_id])
    assert evening.accounts().ended == {"expired": 1}


def test_of_two_replies_to_a_clip_the_one_expired_that_was_not_cut_off(evening: Evening) -> None:
    evening.how, evening.called, evening.sent = "kill", evening.ended - 1.5, evening.ended - 0.5
    earlier = {"event": "call", "uid": 8, "take": evening.take.number, "kind": "valid", "mark": mark_of(8)}
    evening.journal = [{"t": NOON + 1, **earlier}, {"t": NOON + 2, "event": "sent", "uid": 8}]
    evening.said("reply_expired", reason="ttl")
    found = evening.accounts()
    assert (found.ended, found.violations) == ({"expired": 1, "killed": 1}, [])


@pytest.mark.parametrize(
    ("before_the_kill", "end"), [(0.5, "killed"), (-0.2, "dead"), (1.5, "violation"), (30.0, "violation")]
)
def test_a_kill_excuses_only_what_had_just_come(evening: Evening, before_the_kill: float, end: str) -> None:
    evening.how, evening.sent = "kill", evening.ended - before_the_kill
    evening.called = evening.sent - 1
    found = evening.accounts()
    assert found.ended == {end: 1}
    assert bool(found.violations) == (end == "violation")


@pytest.mark.parametrize(
    ("after_the_signal", "end"), [(-2.0, "violation"), (0.5, "violation"), (GRACE_S - 0.1, "dead")]
)
def test_a_clean_end_excuses_nothing_within_the_grace_period(
    evening: Evening, after_the_signal: float, end: str
) -> None:
    evening.sent = evening.ended + after_the_signal
    evening.called = evening.sent - 1
    assert evening.accounts().ended == {end: 1}


def test_a_reply_that_was_still_being_read_at_the_end_is_told_by_its_call(evening: Evening) -> None:
    evening.called, evening.sent = evening.ended - 1.5, evening.ended - 0.5
    assert evening.accounts().ended == {"violation": 1}
    evening.said("ai_call", at=evening.ended - 5, outcome="cancelled")
    assert evening.accounts().ended == {"violation": 1}
    evening.said("ai_call", at=evening.ended + 1, outcome="cancelled")
    assert evening.accounts().ended == {"grace": 1}


def test_a_call_that_was_given_up_has_to_be_that_long(evening: Evening) -> None:
    evening.sent = evening.called + WINDOW_S
    assert evening.accounts().ended == {"window": 1}


def test_words_that_may_not_be_shown_are_nowhere(evening: Evening) -> None:
    evening.kind = "invalid"
    assert evening.accounts().violations == []
    evening.file(f"{evening.take.folder}/clip.ai_coach.json")
    assert "may not be shown" in evening.accounts().violations[0]


def test_words_that_nobody_sent_are_found(evening: Evening) -> None:
    evening.file(f"{evening.take.folder}/clip.ai_coach.json")
    evening.file("queue/pending/x_ai_addendum.json", mark_of(99))
    assert "was never sent" in evening.accounts().violations[0]


def test_what_is_applied_after_its_time_is_found(evening: Evening) -> None:
    evening.file("queue/applied/x_ai_addendum.json")
    evening.file(f"{evening.sessions[0][1].folder}/clip.ai_coach.queued.json")
    evening.said("reply_applied", at=evening.sent + TTL_S + WINDOW_S + 1)
    assert "was applied" in evening.accounts().violations[0]


def test_a_traceback_in_a_log_is_found(evening: Evening) -> None:
    evening.file(f"{evening.take.folder}/clip.ai_coach.json")
    evening.said("cycle_failed", level="error", exception="Traceback …\nKeyError: 'x'")
    found = evening.accounts()
    assert found.violations == ["worker 0: cycle_failed: KeyError: 'x'"]
    assert found.errors == {"cycle_failed": 1}
