"""The index of what waits: it chooses as the policy does, whatever was added and removed in which order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_hybrid import policy
from sg_hybrid.folder_watch import FileMark, FolderStamp, FolderWatch
from sg_hybrid.models import ReplyContext
from sg_hybrid.policy import Age
from sg_hybrid.spool_index import SpoolIndex, Waiting
from tests.late_replies import OTHER_SESSION, SESSION, context, query

START = datetime(2026, 2, 4, 12, tzinfo=UTC)


def waiting(clip_id: str, deadline: float = 100.0, *, known: bool = True, about: ReplyContext | None = None) -> Waiting:
    queued_at = START + timedelta(seconds=deadline)
    return Waiting(clip_id, queued_at, Age(deadline, known), FileMark(1, 1), "", about or context(clip_id))


def test_the_newest_relevant_entry_is_chosen() -> None:
    index = SpoolIndex()
    for clip_id, deadline in (("clip_b", 120.0), ("clip_a", 130.0), ("clip_c", 110.0)):
        index.add(waiting(clip_id, deadline))

    chosen = [index.newest(query(), 100.0)]
    index.remove("clip_a")
    chosen.append(index.newest(query(), 100.0))

    assert [entry.clip_id for entry in chosen if entry] == ["clip_a", "clip_b"]


def test_the_takes_own_reply_is_passed_over() -> None:
    index = SpoolIndex()
    index.add(waiting("clip_a", 110.0))
    index.add(waiting("clip_now", 120.0))

    found = index.newest(query("clip_now"), 100.0)

    assert found is not None
    assert found.clip_id == "clip_a"


def test_what_is_not_known_is_not_chosen() -> None:
    index = SpoolIndex()
    index.add(waiting("clip_a", known=False))
    index.add(replace(waiting("clip_b"), context=None))

    assert index.newest(query(), 100.0) is None
    assert (index.unjudged_count, index.unplaced_count) == (1, 1)

    index.judge(index.unjudged()[0], Age(100.0))
    index.add(replace(next(index.unplaced()), context=context("clip_b")))

    assert (index.unjudged_count, index.unplaced_count) == (0, 0)
    assert index.newest(query(), 100.0) is not None


def test_expired_entries_are_taken_out_oldest_first_and_at_most_so_many() -> None:
    index = SpoolIndex()
    for number in (3, 1, 2, 4):
        index.add(waiting(f"clip_{number}", float(number)))

    assert not index.has_expired(1.0)
    assert [entry.clip_id for entry in index.take_expired(3.001, 2)] == ["clip_1", "clip_2"]
    assert [entry.clip_id for entry in index.take_expired(3.001, 2)] == ["clip_3"]
    assert len(index) == 1


@dataclass
class Model:
    """The same index, the slow way."""

    entries: dict[str, Waiting] = field(default_factory=dict)

    def newest(self, take: str, session: str, focuses: frozenset[str], boottime: float) -> Waiting | None:
        wanted = query(take, focuses, session_id=session)
        usable = [
            entry
            for entry in self.entries.values()
            if entry.context is not None
            and policy.is_relevant(entry.context, wanted)
            and policy.is_applicable(entry.age, boottime)
        ]
        return max(usable, key=lambda entry: entry.newness, default=None)


clips = st.sampled_from([f"clip_{letter}" for letter in "abcdef"])
sessions = st.sampled_from([SESSION, OTHER_SESSION])
focuses = st.sampled_from(["TIMING_P95_HIGH", "PANIC_USED", "progress"])
additions = st.tuples(st.just("add"), clips, st.integers(0, 20), st.booleans(), sessions, focuses)
removals = st.tuples(st.just("remove"), clips)
expiries = st.tuples(st.just("expire"), st.integers(0, 20))
choices = st.tuples(st.just("choose"), clips, sessions, st.frozensets(focuses), st.integers(0, 20))


@given(st.lists(additions | removals | expiries | choices, max_size=80))
def test_it_agrees_with_the_policy_after_any_history(history: list[tuple[object, ...]]) -> None:
    index, model = SpoolIndex(), Model()
    for step in history:
        match step:
            case ("add", str(clip_id), int(deadline), bool(known), str(session), str(focus)):
                about = context(clip_id, session_id=session, focus=focus)
                entry = waiting(clip_id, float(deadline), known=known, about=about)
                assert index.add(entry) is model.entries.get(clip_id)
                model.entries[clip_id] = entry
            case ("remove", str(clip_id)):
                assert index.remove(clip_id) is model.entries.pop(clip_id, None)
            case ("expire", int(boottime)):
                gone = {entry.clip_id for entry in index.take_expired(float(boottime), 100)}
                assert gone == {c for c, e in model.entries.items() if policy.is_expired(e.age, boottime)}
                model.entries = {c: e for c, e in model.entries.items() if c not in gone}
            case ("choose", str(take), str(session), frozenset() as wanted, int(boottime)):
                names = frozenset(str(focus) for focus in wanted)
                chosen = index.newest(query(take, names, session_id=session), float(boottime))
                assert chosen is model.newest(take, session, names, float(boottime))
            case _:
                pytest.fail(f"no such step: {step}")
        assert dict(index.by_clip) == model.entries


def test_memory_is_bounded_by_what_waits_not_by_what_came() -> None:
    index = SpoolIndex()
    for number in range(5000):
        index.add(waiting(f"clip_{number}", float(number)))
        if number >= 10:
            index.remove(f"clip_{number - 10}")

    assert len(index) == 10
    held = len(index._due) + sum(len(shelf._entries) for shelf in index._shelves.values())
    assert held < 400


# Whether the folder must be listed


def stamp(mtime_ns: int) -> FolderStamp:
    return FolderStamp(1, 2, mtime_ns)


def test_a_folder_is_listed_until_its_stamp_has_stood_for_a_while() -> None:
    watch = FolderWatch(caution_s=2.0)
    assert watch.must_list(stamp(1))

    watch.listed(stamp(1), at=10.0)
    assert watch.must_list(stamp(1)), "a change in the same clock tick would not show"
    watch.listed(stamp(1), at=15.0)

    assert not watch.must_list(stamp(1))
    assert watch.must_list(stamp(2))


def test_our_own_change_is_no_news_but_deserves_the_same_caution() -> None:
    watch = FolderWatch(caution_s=2.0)
    watch.listed(stamp(1), at=10.0)
    watch.listed(stamp(1), at=15.0)

    watch.we_changed(stamp(1), stamp(2), at=16.0)

    assert not watch.has_changed(stamp(2))
    assert watch.must_list(stamp(2))


def test_a_change_of_somebody_else_is_not_hidden_by_our_own() -> None:
    watch = FolderWatch()
    watch.listed(stamp(1), at=10.0)

    watch.we_changed(stamp(2), stamp(3), at=11.0)

    assert watch.has_changed(stamp(3))
