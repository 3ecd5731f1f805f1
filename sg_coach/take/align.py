"""Aligning what was played with what was expected: order-preserving, notes may be missing or too many. Pure.

In two rounds. First each pitch alone: its played notes are matched with its expected ones, in order, so that the sum of
`window − |error|` over all matches is greatest (dynamic programming over a band; the notes of a chord never stand in
each other's way, whatever their order). Then what is left over, whatever the pitch: a wrong note at the right time is
a wrong note and not a missing and an extra one. The band is bounded, so the cost is linear in the notes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from .latency import MOST_MS, SEARCHED, held, iterated_median
from .notes import Note
from .statistics import median

WIDEST_WINDOW_MS: Final = 250.0
BEAT_SHARE: Final = 0.45
"""The window is this share of a beat, so that a note is not matched with the one on the next beat."""

WRONG_PITCH_MS: Final = 40.0
"""What a wrong pitch costs: such a match must be so much nearer."""

MAX_BAND: Final = 64
"""Played notes that one expected note is compared with, at most."""

FAR_MS: Final = 50.0
FAR_SPREADS: Final = 5.0
MAD_TO_SPREAD: Final = 1.4826
"""A note is far off beyond 50 ms and five spreads of the player; the spread is estimated from the median error."""

_PRIOR: Final = 0.002
"""Of two equally likely latencies the smaller one is taken: a ms costs this share of the votes."""


_Places: TypeAlias = tuple[Sequence[int], Sequence[int]]
"""The numbers of one pitch's notes: the expected ones, the played ones."""


class Match(NamedTuple):
    """An expected and a played note (their numbers) that belong together."""

    expected: int
    played: int
    error_ms: float
    same_pitch: bool


@dataclass(frozen=True, slots=True)
class Alignment:
    """Matches in the order of the expected notes, and the latency that was taken out."""

    matches: tuple[Match, ...]
    latency_ms: float
    missed: int
    extra: int

    @property
    def same_pitch(self) -> int:
        """Matches of the right pitch."""
        return sum(match.same_pitch for match in self.matches)


def window_for(beat_ms: float) -> float:
    """Return how far from its expected time a note is looked for, in ms."""
    return min(WIDEST_WINDOW_MS, BEAT_SHARE * beat_ms)


def align(
    expected: Sequence[Note], played: Sequence[Note], window_ms: float, latency_ms: float | None = None
) -> Alignment:
    """Align two note lists in order of onset, and find the one latency between them (unless it is known).

    It is looked for at the first SEARCHED expected notes.
    """
    there = _by_pitch(played)
    by_pitch = [(ours, there[pitch]) for pitch, ours in _by_pitch(expected).items() if pitch in there]
    times_e, times_p = [note.onset_ms for note in expected], [note.onset_ms for note in played]

    def exact(places: Sequence[_Places], latency: float) -> list[tuple[int, int]]:
        return [
            (ours[i], theirs[j])
            for ours, theirs in places
            for i, j in match_in_order([times_e[i] for i in ours], [times_p[j] - latency for j in theirs], window_ms)
        ]

    if latency_ms is None:
        searched = [(ours[: bisect_left(ours, SEARCHED)], theirs) for ours, theirs in by_pitch]

        def delays_at(latency: float) -> list[float]:
            return [times_p[j] - times_e[i] for i, j in exact(searched, latency)]

        latency = iterated_median(delays_at, _likely_latency(searched, times_e, times_p))
    else:
        latency = held(latency_ms)
    pairs = _plausible(exact(by_pitch, latency), times_e, times_p, latency)
    found = [Match(i, j, times_p[j] - times_e[i] - latency, True) for i, j in pairs]
    found += _left_over(times_e, times_p, pairs, latency, window_ms)
    matches = tuple(sorted(found))
    return Alignment(matches, latency, len(expected) - len(matches), len(played) - len(matches))


def _plausible(
    pairs: Sequence[tuple[int, int]], expected: Sequence[float], played: Sequence[float], latency: float
) -> list[tuple[int, int]]:
    """Return the pairs without those that only share a pitch by chance.

    Such a played note is far off its expected one, for this player, and stands at another expected note: a wrong note
    there, of the pitch that was left out here.
    """
    if not pairs:
        return []
    errors = [abs(played[j] - latency - expected[i]) for i, j in pairs]
    far = max(FAR_SPREADS * MAD_TO_SPREAD * median(errors), FAR_MS)
    return [
        pair
        for pair, error in zip(pairs, errors, strict=True)
        if error <= far or _nearest(expected, played[pair[1]] - latency) > error / 2
    ]


def _nearest(ascending: Sequence[float], ms: float) -> float:
    after = bisect_left(ascending, ms)
    return min(abs(found - ms) for found in ascending[max(after - 1, 0) : after + 1])


def _left_over(
    times_e: Sequence[float],
    times_p: Sequence[float],
    pairs: Sequence[tuple[int, int]],
    latency: float,
    window_ms: float,
) -> list[Match]:
    taken_e, taken_p = {i for i, _ in pairs}, {j for _, j in pairs}
    ours = [i for i in range(len(times_e)) if i not in taken_e]
    theirs = [j for j in range(len(times_p)) if j not in taken_p]
    window = max(window_ms - WRONG_PITCH_MS, window_ms / 2)
    places = match_in_order([times_e[i] for i in ours], [times_p[j] - latency for j in theirs], window)
    return [Match(ours[i], theirs[j], times_p[theirs[j]] - times_e[ours[i]] - latency, False) for i, j in places]


def match_in_order(expected: Sequence[float], played: Sequence[float], window: float) -> list[tuple[int, int]]:
    """Return pairs of places, both ascending, with the greatest sum of `window − |played − expected|`, all positive.

    Both lists are in ascending order. Time and space grow with len(expected) × MAX_BAND at most.
    """
    rows: list[tuple[int, bytearray]] = []
    first, best = 0, [0.0]  # best[k]: the greatest sum with the played notes before number `first + k`
    for time in expected:
        low = max(bisect_left(played, time - window), first)
        high = min(bisect_right(played, time + window, lo=low), low + MAX_BAND)
        best, steps = _row(best, low - first, [window - abs(at - time) for at in played[low:high]])
        first = low
        rows.append((low, steps))
    return _walk_back(rows, len(played))


_SKIP_EXPECTED, _MATCH, _SKIP_PLAYED = range(3)


def _row(before: Sequence[float], shift: int, gains: Sequence[float]) -> tuple[list[float], bytearray]:
    """Return the sums with one expected note more, and by which step each of them came about."""
    last = len(before) - 1
    carried = before[min(shift, last)]
    row, steps = [carried], bytearray(len(gains) + 1)
    for place, gain in enumerate(gains, start=1):
        matched = carried + gain
        carried = before[min(shift + place, last)]
        best, step = carried, _SKIP_EXPECTED
        if row[-1] > best:
            best, step = row[-1], _SKIP_PLAYED
        if gain > 0 and matched > best:
            best, step = matched, _MATCH
        row.append(best)
        steps[place] = step
    return row, steps


def _walk_back(rows: Sequence[tuple[int, bytearray]], end: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for number in range(len(rows) - 1, -1, -1):
        low, steps = rows[number]
        place = min(end - low, len(steps) - 1)
        while steps[place] == _SKIP_PLAYED:
            place -= 1
        if steps[place] == _MATCH:
            place -= 1
            pairs.append((number, low + place))
        end = low + place
    pairs.reverse()
    return pairs


def _likely_latency(
    by_pitch: Sequence[_Places],
    expected: Sequence[float],
    played: Sequence[float],
) -> float:
    """Return the delay around which most notes of the right pitch lie: where the search begins."""
    delays: list[float] = []
    for ours, theirs in by_pitch:
        times = [played[j] for j in theirs]
        for i in ours:
            reach = MOST_MS + _VOTE_MS
            low = bisect_left(times, expected[i] - reach)
            high = min(bisect_right(times, expected[i] + reach, lo=low), low + MAX_BAND)
            delays += [time - expected[i] for time in times[low:high]]
    return held(_densest(sorted(delays)))


_VOTE_MS: Final = 30.0


def _densest(delays: Sequence[float]) -> float:
    """Return the middle of the ±30 ms with the most delays (ascending)."""
    best, found, end = 0.0, 0.0, 0
    for start, delay in enumerate(delays):
        while end < len(delays) and delays[end] <= delay + 2 * _VOTE_MS:
            end += 1
        middle = delay + _VOTE_MS
        votes = (end - start) * (1 - _PRIOR * abs(middle))
        if votes > best:
            best, found = votes, delays[(start + end - 1) // 2]
    return found


def _by_pitch(notes: Sequence[Note]) -> dict[int, list[int]]:
    places: dict[int, list[int]] = defaultdict(list)
    for number, note in enumerate(notes):
        places[note.pitch].append(number)
    return places
