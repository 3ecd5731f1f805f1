"""Fifty sessions of ten takes: 25 players, each with a worker of his own, at once in one process. Prints JSON.

Real workers, the real SDK, real sockets. Only the pauses between takes are shorter than a player's; latencies are not.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from statistics import quantiles
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import anyio
import structlog
from pydantic import SecretStr

from sg_coach.jsontext import to_json_bytes
from sg_hybrid.compose import HybridWorker
from sg_hybrid.settings import Settings

PLAYERS: Final = 25
SESSIONS: Final = 2
TAKES: Final = 10
FIRST_TAKE_S: Final = 7.0
"""From the clip's appearance to the end of its first take: eight bars at 120 bpm are 16 s."""

TAKE_S: Final = 5.0
BANK_AFTER: Final = 3
"""From this take of a session on there has been time to fill the bank even if half of the calls fail."""

STYLES: Final = ("salsa", "bossa", "swing", "funk", "blues", "rock", "samba", "waltz")
RECORDS: Final = sorted((Path(__file__).parents[1] / "fixtures" / "sessions").glob("*.json"))

Event = MutableMapping[str, Any]


class Log:
    """Keeps the events of all workers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, _logger: object, _name: str, event: Event) -> Event:
        self.events.append(event)
        raise structlog.DropEvent


async def play(number: int, base: Path, url: str) -> None:
    """One player: his worker, his sessions one after the other."""
    root = base / f"player_{number}"
    (root / "bundles").mkdir(parents=True)
    settings = Settings(
        ai_enabled=True,
        anthropic_api_key=SecretStr("bench"),
        anthropic_base_url=url,
        queue_dir=root / "queue",
        bundle_roots=(root / "bundles",),
        daily_calls=100_000,
        daily_tokens=100_000_000,
        grace_s=30,
    )
    async with HybridWorker(settings) as worker:
        await worker.ai_ready()
        await anyio.sleep(number * TAKE_S / PLAYERS)
        for session in range(SESSIONS):
            for take in range(TAKES):
                await _take(root / "bundles" / "2026-02-04", number, session, take)
        await anyio.sleep(5)


async def _take(day: Path, player: int, session: int, take: int) -> None:
    bundle = day / f"p{player}_s{session}_t{take}"
    bundle.mkdir(parents=True)
    tags = {"clip_id": bundle.name, "style": STYLES[(player + session) % len(STYLES)], "tempo_bpm": 110, "meter": "4/4"}
    (bundle / ".tags").write_bytes(to_json_bytes(tags))
    (bundle / ".tags").rename(bundle / "clip.tags.json")
    await anyio.sleep(TAKE_S if take else FIRST_TAKE_S)
    record = json.loads(RECORDS[(player + session * 7 + take) % len(RECORDS)].read_bytes())
    record["session_id"] = str(uuid5(NAMESPACE_URL, f"{player}-{session}"))
    (bundle / ".session").write_bytes(to_json_bytes(record))
    (bundle / ".session").rename(bundle / "session.json")


def result(events: list[Event]) -> dict[str, Any]:
    """What the log tells."""
    cycles = {event["clip"]: event for event in events if event["event"] == "cycle"}
    calls = [event for event in events if event["event"] == "ai_call"]
    live = [call for call in calls if not call["clip"].startswith("prepare")]
    good = {call["clip"] for call in live if call["outcome"] == "ok"}
    shown = {clip for clip, cycle in cycles.items() if cycle["ai_origin"] == "live"}
    queued = {event["clip"] for event in events if event["event"] == "reply_queued"}
    hints = [cycle["hint_ms"] for cycle in cycles.values()]
    later = [cycle for clip, cycle in cycles.items() if int(clip.rpartition("_t")[2]) >= BANK_AFTER]
    takes, first = len(cycles), [cycle for clip, cycle in cycles.items() if clip.endswith("_t0")]
    return {
        "takes": takes,
        "plain": sum(call["outcome"] == "ok" and call["total_ms"] < 500 for call in live) / takes,
        "early": sum((call.get("tip_ms") or 1e9) < 500 and call["outcome"] == "ok" for call in live) / takes,
        "in_time": sum(cycle["ai_origin"] is not None for cycle in cycles.values()) / takes,
        "first_in_time": sum(cycle["ai_origin"] is not None for cycle in first) / len(first),
        "later_in_time": sum(cycle["ai_origin"] is not None for cycle in later) / len(later),
        "prepared": sum(cycle["ai_origin"] == "prepared" for cycle in cycles.values()) / takes,
        "lost": len(good - shown - queued),
        "doubled": len(shown & queued),
        "calls": [len(live), len(calls) - len(live)],
        "tokens": [_tokens(live), _tokens(call for call in calls if call["clip"].startswith("prepare"))],
        "hint_ms_p50": sorted(hints)[len(hints) // 2],
        "hint_ms_p99": quantiles(hints, n=100)[98],
    }


def _tokens(calls: Any) -> list[int]:
    """Input, output, cache reads, cache writes."""
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    found = list(calls)
    return [sum(call.get(name) or 0 for call in found) for name in names]


async def main(url: str, base: Path) -> None:
    log = Log()
    structlog.configure(processors=[log], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    async with anyio.create_task_group() as players:
        for number in range(PLAYERS):
            players.start_soon(play, number, base, url)
    print(json.dumps(result(log.events)))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]))
