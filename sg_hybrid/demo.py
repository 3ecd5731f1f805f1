"""The life of a take, shown on real takes: the real worker, real sockets and files, and the local simulator as the AI.

At its end the whole loop: a clip from the generator, a recorded take over it, the coach, and the next clip adjusted.

Times are real but for one: the queue's time to live is shortened, so that an expiry can be watched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from sg_coach.contract import AI_FILE, COACH_FILE, MANIFEST_FILE, QUEUED_FILE, SESSION_FILE, TAGS_FILE
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object, to_json_bytes
from sg_coach.models import Decision

from .clock import SystemClock
from .compose import HybridWorker
from .demo_loop import Wish, generated, is_installed
from .demo_place import demo_bundles, demo_queue, demo_settings
from .demo_takes import LOOP_TAKE, SCENES, Scene, take
from .errors import HybridError
from .prepared import TipClass
from .simulator import Outcome, serve
from .switch import read_mode, set_mode

TTL_S: Final = 8.0
LATE_WINDOW_S: Final = 10.0
LOOK_EVERY_S: Final = 0.001
PAUSE_S: Final = 0.7
"""After each take: longer than the deadline, so that what should not come could have come."""
DEMO_DAY: Final = "2026-02-04"
_PREPARING: Final = Outcome(0.8)

Say = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """Where the demo plays."""

    bundles: Path
    queue: Path
    say: Say
    seen: dict[Path, float] = field(default_factory=dict)
    loop: tuple[Path, Path] | None = None
    """The bundles of the whole loop: the clip that was played over, and the next one."""

    def waiting(self) -> list[str]:
        return sorted(path.name for path in (self.queue / "pending").glob("*_ai_addendum.json"))


async def run_demo(say: Say, *, bundle_root: Path | None = None, queue_dir: Path | None = None) -> bool:
    """Play the demo; return whether everything that it promised was seen. The folders' defaults: `demo_place`."""
    stage = Stage(demo_bundles(bundle_root), demo_queue(queue_dir), say)
    mode = read_mode(stage.queue)
    _clear(stage.queue)
    stage.bundles.mkdir(parents=True, exist_ok=True)
    _switch(stage, on=True)
    try:
        return await _show(stage)
    finally:
        set_mode(stage.queue, mode, SystemClock().now())


async def _show(stage: Stage) -> bool:
    _introduce(stage)
    outcomes = {scene.clip_id: scene.outcome for scene in SCENES}
    current = [SCENES[0].clip_id]
    async with (
        serve(lambda call: _PREPARING if "diagnosis" in call.facts else outcomes[current[0]], name="demo") as simulator,
        HybridWorker(
            demo_settings(
                stage.bundles,
                stage.queue,
                simulator.base_url,
                spool_ttl_s=TTL_S,
                sweep_interval_s=0.5,
                give_up_after_s=LATE_WINDOW_S,
            )
        ) as worker,
    ):
        with anyio.move_on_after(LATE_WINDOW_S):
            await worker.ai_ready()  # as in a session that has begun: the client takes about a second to load, once
        shown = [await _watch_the_preparing(stage)]
        shown += [await _play(stage, scene, current) for scene in SCENES]
        shown.append(await _watch_the_expiry(stage))
        shown.append(await _go_round(stage, outcomes, current))
    _conclude(stage, all(shown))
    return all(shown)


async def _watch_the_preparing(stage: Stage) -> bool:
    """A backing clip appears; before its first take is played, there are tips for whatever the take will show."""
    stage.say("")
    stage.say("▸ a backing clip appears, and the player begins to play")
    bundle, begin = stage.bundles / DEMO_DAY / SCENES[0].clip_id, _now()
    await anyio.to_thread.run_sync(_generate, bundle, "waltz")
    prepared = stage.queue / "prepared"
    with anyio.move_on_after(LATE_WINDOW_S):
        await _until(lambda: len(list(prepared.glob("*.json"))) >= len(TipClass), lambda: None, every=0.01)
        tips = f"a tip for each of the {len(TipClass)} diagnoses, three calls at a time"
        stage.say(f"  {_now() - begin:7.1f} s   prepared/: {tips}")
        return True
    stage.say("  ! no tips were prepared")
    return False


async def _play(stage: Stage, scene: Scene, current: list[str]) -> bool:
    current[0] = scene.clip_id
    _switch(stage, on=scene.ai)
    facts = parse_json_object(take(scene.take))
    stage.say("")
    stage.say(f"▸ {scene.clip_id}: {facts['program']['name']}, {facts['bpm']:g} bpm, {facts['total_events']} notes")
    stage.say(f"  {scene.title}")
    bundle = stage.bundles / DEMO_DAY / scene.clip_id
    begin = await anyio.to_thread.run_sync(_arrive, bundle, scene)
    with anyio.move_on_after(LATE_WINDOW_S):
        await _until(lambda: _ended(stage, bundle, scene), lambda: _tell(stage, bundle, begin))
        with anyio.move_on_after(PAUSE_S):
            await _until(lambda: False, lambda: _tell(stage, bundle, begin))
        if not (bundle / AI_FILE).exists():
            stage.say("             no clip.ai_coach.json: the rules' hint stands alone")
        return _ended(stage, bundle, scene)
    stage.say(f"  ! expected {scene.expect or 'the hint'}, and it did not come")
    return False


def _ended(stage: Stage, bundle: Path, scene: Scene) -> bool:
    if not (bundle / COACH_FILE).exists():
        return False
    if scene.expect == "pending":
        return f"{scene.clip_id}_ai_addendum.json" in stage.waiting()
    return not scene.expect or (bundle / scene.expect).exists()


def _arrive(bundle: Path, scene: Scene) -> float:
    """A clip, and a take over it; return when the take came."""
    if scene.clip_id.startswith("waltz"):
        _generate(bundle, "waltz")
    bundle.mkdir(parents=True, exist_ok=True)
    return _leave_take(bundle, scene.take)


def _leave_take(bundle: Path, name: str) -> float:
    """The instrument leaves the facts of a recorded take; return when."""
    with Folder.open(bundle) as folder:
        folder.write(SESSION_FILE, take(name), durable=False)
    return _now()


def _generate(bundle: Path, style: str) -> None:
    """What a generator leaves before anybody plays (its sounds are not needed here)."""
    bundle.mkdir(parents=True, exist_ok=True)
    tags = {"clip_id": bundle.name, "created_at": f"{DEMO_DAY}T12:00:00.000Z", "style": f"jazz {style}", "meter": "3/4"}
    with Folder.open(bundle) as folder:
        folder.write(TAGS_FILE, to_json_bytes(tags))


def _tell(stage: Stage, bundle: Path, begin: float) -> None:
    """Say what appeared since the last look, and when."""
    pending = [stage.queue / "pending" / name for name in stage.waiting()]
    origin = _origin(bundle)
    for path in (bundle / COACH_FILE, bundle / AI_FILE, bundle / QUEUED_FILE, *pending):
        if path not in stage.seen and path.exists() and (path.name != AI_FILE or origin):
            stage.seen[path] = _now()
            document = parse_json_object(path.read_bytes())
            text = document.get("coach_hint") or document.get("coaching_tip") or document.get("exercise_hint")
            where = path.name if path.parent == bundle else f"pending/{path.name}"
            where += f" ({origin})" if path.name == AI_FILE else ""
            stage.say(f"  {(_now() - begin) * 1000:7.1f} ms  {where:<34} {text}")


def _origin(bundle: Path) -> str | None:
    """Whether the bundle's AI tip came live or was prepared; None until its manifest says so."""
    try:
        entries = parse_json_object((bundle / MANIFEST_FILE).read_bytes())["artifacts"]
    except FileNotFoundError:
        return None
    return next((str(entry["origin"]) for entry in entries if entry["artifact_id"] == "ai_coach"), None)


async def _watch_the_expiry(stage: Stage) -> bool:
    waiting = stage.waiting()
    stage.say("")
    stage.say(f"▸ a late tip that nobody needs: {', '.join(waiting)}")
    stage.say(f"  it may wait {TTL_S:g} s (shortened for this demo; by default 300 s)")
    begin = _now()
    with anyio.move_on_after(3 * TTL_S):
        await _until(lambda: not stage.waiting(), lambda: None, every=0.05)
        stage.say(f"  {_now() - begin:7.1f} s   expired: pending/ is empty")
        return bool(waiting)
    stage.say("  ! it did not expire")
    return False


async def _go_round(stage: Stage, outcomes: dict[str, Outcome], current: list[str]) -> bool:
    """Clip, take, coaching, next clip: the generator is a program of its own."""
    stage.say("")
    stage.say("▸ the whole loop: a clip, a recorded take over it, the coach, the next clip")
    if not is_installed():
        stage.say("  the generator is not installed here; pip install 'sg-hybrid[generator]' shows this, too")
        return True
    _switch(stage, on=True)
    wish, begin = Wish(tempo_bpm=parse_json_object(take(LOOP_TAKE))["bpm"]), _now()
    try:
        bundle = await generated(wish, stage.bundles)
        stage.say(f"  {_now() - begin:7.1f} s   sg-generator generate: {bundle.name}, {wish}")
        current[0] = bundle.name
        outcomes[bundle.name] = Outcome(0.3)
        if not await _coach_the_loop(stage, bundle):
            return False
        decision = parse_json_object((bundle / COACH_FILE).read_bytes())["decision"]
        following = await generated(wish := wish.following(Decision.model_validate(decision)), stage.bundles)
        stage.say(f"             the next clip, as the coach decided: {following.name}, {wish}")
    except HybridError as error:
        stage.say(f"  ! {error}")
        return False
    stage.loop = (bundle, following)
    return True


async def _coach_the_loop(stage: Stage, bundle: Path) -> bool:
    begin = await anyio.to_thread.run_sync(_leave_take, bundle, LOOP_TAKE)
    with anyio.move_on_after(LATE_WINDOW_S):
        await _until(lambda: (bundle / AI_FILE).exists(), lambda: _tell(stage, bundle, begin))
        with anyio.move_on_after(PAUSE_S):
            await _until(lambda: False, lambda: _tell(stage, bundle, begin))
        return True
    stage.say("  ! expected the hint and the AI's tip, and they did not come")
    return False


async def _until(done: Callable[[], bool], meanwhile: Callable[[], None], *, every: float = LOOK_EVERY_S) -> None:
    while not done():
        meanwhile()
        await anyio.sleep(every)


def _switch(stage: Stage, *, on: bool) -> None:
    set_mode(stage.queue, "auto" if on else "off", SystemClock().now())


def _introduce(stage: Stage) -> None:
    stage.say("The life of a take: real performances, the real worker, the local simulator as the AI.")
    stage.say("The rule-based hint is there at once. The AI has 500 ms; what comes later waits for the next take.")
    stage.say("So that it is in time, tips are prepared while the player plays.")


def _conclude(stage: Stage, complete: bool) -> None:
    day = stage.bundles / DEMO_DAY
    stage.say("")
    stage.say("Look into" if complete else "Not everything came as promised. Look into")
    stage.say(f"  {day}/waltz_1   hint and AI tip in time: clip.coach.json, clip.ai_coach.json, manifest.json")
    stage.say(f"  {day}/waltz_3   the earlier take's tip: clip.ai_coach.queued.json")
    stage.say(f"  {day}/session.index.json   the session's story")
    stage.say(f"  {stage.queue}/applied   the late reply that was applied")
    stage.say(f"  sg-hybrid show {day}/waltz_3")
    if stage.loop:
        stage.say(f"  {stage.loop[0]}   the clip of the loop: clip.mid, its take's coaching")
        stage.say(f"  {stage.loop[1]}   the next clip: open clip.mid in any DAW")
    stage.say("Play yourself: make serve")


def _clear(queue: Path) -> None:
    """An earlier demo's replies go, and prepared tips that would hide the preparing; nothing else is touched."""
    for folder in ("pending", "applied", "claimed", "context", "prepared"):
        for pattern in (*(f"{scene.clip_id}*.json" for scene in SCENES), "jazz-waltz__*.json", "any__*.json"):
            for path in (queue / folder).glob(pattern):
                path.unlink()


def _now() -> float:
    return SystemClock().monotonic()
