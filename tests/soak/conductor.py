"""Plays the plan while the timetable's troubles happen, then lets everything come to rest."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import anyio

from sg_hybrid.switch import Mode, set_mode

from .lives import GRACE_S, Life, Processes
from .place import Place
from .plan import Planned
from .players import Notes, Player, is_settled
from .raw import Watcher
from .troubles import Event, is_calm, timetable

TICK_S: Final = 0.01
SAMPLE_S: Final = 0.25
PLAYERS: Final = 24
TTL_S: Final = 8.0
WINDOW_S: Final = 5.0
KEY: Final = "sk-soak-key-that-no-log-may-show"
OVERTIME: Final = 1.3
"""How much longer than planned the players may take."""

REST_S: Final = 60.0
"""How long the end may take to come to rest."""


def settings_for(place: Place, port: int) -> Mapping[str, str]:
    """Return the worker's environment: times compressed, limits of the day out of the way."""
    return {
        "AI_COACH_ENABLED": "true",
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
        "SG_COACH_QUEUE_DIR": str(place.queue),
        "SG_BUNDLE_ROOTS": ":".join(map(str, place.roots)),
        "AI_COACH_QUEUE_TTL_S": str(TTL_S),
        "AI_COACH_LATE_WINDOW_S": str(WINDOW_S),
        "AI_COACH_GRACE_S": str(GRACE_S),
        "AI_COACH_SWEEP_S": "0.5",
        "SG_RESCAN_S": "2",
        "AI_COACH_DAILY_CALLS": "1000000",
        "AI_COACH_DAILY_TOKENS": "1000000000",
        "SG_LOG_FORMAT": "json",
        "SG_LOG_LEVEL": "info",
    }


@dataclass(slots=True)
class Happened:
    """One trouble as it was done, for the accounts and the plot. Seconds since 1970."""

    at: float
    event: Event


@dataclass(slots=True)
class Soak:
    """A soak under way."""

    place: Place
    processes: Processes
    sessions: list[list[Planned]]
    seconds: float
    seed: int
    notes: Notes = field(default_factory=Notes)
    happened: list[Happened] = field(default_factory=list)
    not_at_rest: list[str] = field(default_factory=list)
    began: float = 0.0
    _start: float = 0.0
    _due: dict[str, float] = field(default_factory=dict)
    _doomed: Event | None = None
    """How the worker of now will end."""

    @property
    def now(self) -> float:
        """Seconds from the start."""
        return time.monotonic() - self._start

    def run(self, watcher: Watcher) -> None:
        """Play everything; return when the last worker has ended cleanly."""
        self.began, self._start = time.time(), time.monotonic()
        events = deque(timetable(self.seconds, self.seed))
        waiting, active = deque(self.sessions), list[Player]()
        rng = random.Random(f"{self.seed}:players")
        self.processes.start_service()
        self.processes.start_worker(calm=False)
        while (waiting or active or events) and self.now < self.seconds * OVERTIME + REST_S:
            now = self.now
            self._seat(waiting, active, rng, now)
            for player in active:
                before = player.next
                player.turn(now)
                if player.next > before:
                    watcher.played(self.place.disk / player.takes[before].folder)
            active = [player for player in active if not player.done]
            while events and events[0].at <= now:
                self._do(events.popleft())
            self._keep_up()
            time.sleep(TICK_S)
        self._rest()

    def _seat(self, waiting: deque[list[Planned]], active: list[Player], rng: random.Random, now: float) -> None:
        """Begin sessions so that the plan is through in time; who is behind plays faster."""
        takes = sum(len(takes) for takes in self.sessions)
        rate = takes / (self.seconds * 0.9)
        behind = rate * now - len(self.notes.played)
        gap = PLAYERS / rate * (0.5 if behind > 2 * PLAYERS else 1.0)
        seats = PLAYERS * (2 if behind > 8 * PLAYERS else 1)
        while waiting and len(active) < seats:
            player = Player(self.place, waiting.popleft(), gap, random.Random(rng.random()), self.notes)
            player.due = now + rng.uniform(0, gap)
            active.append(player)

    # Troubles

    def _do(self, event: Event) -> None:
        self.happened.append(Happened(time.time(), event))
        if event.what in ("kill", "term", "term_twice"):
            self._doomed = self._doomed or event
        elif event.what == "freeze":
            self._freeze(event.value)
        elif event.what == "kill_service":
            self.processes.kill_service()
            self._due["service"] = self.now + event.value
        elif event.what == "clock":
            self.place.step_clock(event.value)
        elif event.what in ("switch_on", "switch_off"):
            self._switch("on" if event.what == "switch_on" else "off")
        elif event.what == "disk_full":
            self.place.fill_disk()
        else:
            self.place.free_disk()

    def _end_of_life(self, life: Life, event: Event) -> None:
        """End the worker once it has worked for as long as it may."""
        if event.value < 0 or (life.ready and self.now >= self._due.setdefault("end", self.now + event.value)):
            self._new_life(event.what)

    def _new_life(self, how: str) -> None:
        self._doomed = None
        self._due.pop("end", None)
        self.processes.life.end(how)
        self.processes.start_worker(calm=is_calm(self.now, self.seconds))

    def _freeze(self, seconds: float) -> None:
        process = self.processes.life.process
        process.send_signal(signal.SIGSTOP)
        time.sleep(min(seconds, 2.0))
        process.send_signal(signal.SIGCONT)

    def _switch(self, mode: Mode) -> None:
        with contextlib.suppress(OSError):  # a full disk
            set_mode(self.place.queue, mode, datetime.now(UTC))

    def _keep_up(self) -> None:
        """What has to be done all the time: restart, begin and end calm lives, measure."""
        life = self.processes.life
        if self.processes.service is None and self.now >= self._due.get("service", 0.0):
            self.processes.start_service()
        if life.process.poll() is not None:
            life.ended, life.how = time.time(), life.how or "by itself"
            self.processes.start_worker(calm=is_calm(self.now, self.seconds))
        elif is_calm(self.now, self.seconds) and not life.calm:
            self._new_life("term")
        elif self._doomed is not None:
            self._end_of_life(life, self._doomed)
        if self.now >= self._due.get("sample", 0.0):
            self._due["sample"] = self.now + SAMPLE_S
            self.processes.life.sample()

    # The end

    def _rest(self) -> None:
        """Everything works again; wait until all is coached, and late replies are applied or over their time."""
        self._doomed = None
        self.place.free_disk()
        self.place.step_clock(0.0)
        self._switch("on")
        self._keep_up()
        until = self.now + REST_S
        while self.now < until and (unsettled := self._unsettled()):
            self._keep_up()
            time.sleep(0.2)
        else:
            unsettled = self._unsettled()
        self.not_at_rest = [take.folder for take in unsettled]
        self._sleep(WINDOW_S + TTL_S + 2.0)
        self.processes.life.end("term")

    def _unsettled(self) -> list[Planned]:
        last = {take.folder: take for takes in self.sessions for take in takes}
        return [take for take in last.values() if not is_settled(self.place.disk / take.folder, take)]

    def _sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self._keep_up()
            time.sleep(0.05)

    @property
    def lives(self) -> list[Life]:
        return self.processes.lives


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""

    async def find() -> int:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            return int(listener.extra(anyio.abc.SocketAttribute.local_port))

    return anyio.run(find)
