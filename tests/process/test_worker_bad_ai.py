"""Bad evenings of the AI, each with a worker of its own: a deterministic bundle, one log event, and life goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import anyio
from pydantic import SecretStr
from structlog.testing import capture_logs

from sg_hybrid.compose import HybridWorker
from sg_hybrid.settings import Settings
from sg_hybrid.simulator import Call, Fault, Outcome, error, serve
from tests.fake_edges import session

NAMESPACE = UUID("550e8400-e29b-41d4-a716-446655440000")
LIE = json.dumps({"coaching_tip": "Set the click to 300 BPM and see https://x.example for more."})
SHORT_OF_A_TIP = json.dumps({"timing_insight": "Listen to the click before you play.", "coaching_tip": "Listen."})
"""Cut in half it holds no whole tip; one that does is shown, see tests/unit/test_ai_client.py."""
EVENINGS: dict[str, tuple[Outcome, str]] = {
    "hang": (Outcome(fault=Fault.HANG), "timeout"),
    "drip": (Outcome(fault=Fault.DRIP), "timeout"),
    "endless": (Outcome(fault=Fault.ENDLESS), "invalid"),
    "reset": (Outcome(fault=Fault.RESET, cut_at=400), "unreachable"),
    "cut": (Outcome(fault=Fault.CUT, cut_at=400), "unreachable"),
    "login_page": (Outcome(fault=Fault.HTML), "invalid"),
    "not_a_message": (Outcome(fault=Fault.NOT_A_MESSAGE), "invalid"),
    "noise": (Outcome(fault=Fault.NOISE), "invalid"),
    "empty": (Outcome(fault=Fault.EMPTY), "invalid"),
    "tool_use": (Outcome(fault=Fault.TOOL_USE), "invalid"),
    "refusal": (Outcome(fault=Fault.REFUSAL, text="I would rather not say."), "invalid"),
    "max_tokens": (Outcome(fault=Fault.MAX_TOKENS, text=SHORT_OF_A_TIP), "invalid"),
    "garbage": (Outcome(fault=Fault.GARBAGE), "invalid"),
    "five_megabytes": (Outcome(fault=Fault.HUGE), "invalid"),
    "lie": (Outcome(text=LIE), "rejected"),
    "overloaded_event": (Outcome(fault=Fault.ERROR_EVENT), "busy"),
    "redirect": (error(302), "unreachable"),
    **{f"status_{status}": (error(status), "refused") for status in (400, 401, 402, 403, 404, 413, 418)},
    **{f"status_{status}": (error(status), "busy") for status in (429, 500, 503, 529)},
    "retry_after_a_day": (error(429, "86400"), "busy"),
}


class Evening:
    """One worker, and an AI that answers the first take badly."""

    def __init__(self, folder: Path, name: str, outcome: Outcome, kind: str) -> None:
        self.root, self.queue = folder / name / "bundles", folder / name / "queue"
        self.root.mkdir(parents=True)
        self.name = name
        self.outcome = outcome
        self.give_up_after_s = 3.0 if kind == "timeout" else 30.0  # nothing else is a timeout on a busy machine

    def answer(self, call: Call) -> Outcome:
        return self.outcome if call.facts.get("bpm") == 101 else Outcome()

    def play(self, clip_id: str, bpm: float) -> Path:
        bundle = self.root / "2026-02-04" / clip_id
        bundle.mkdir(parents=True)
        record = session(bpm=bpm, session_id=uuid5(NAMESPACE, clip_id))
        (bundle / ".session.json.part").write_text(record.model_dump_json())
        (bundle / ".session.json.part").rename(bundle / "session.json")
        return bundle

    async def run(self, ended: Callable[[str], bool]) -> None:
        async with serve(self.answer) as simulator:
            settings = Settings(
                ai_enabled=True,
                anthropic_api_key=SecretStr("test-key"),
                anthropic_base_url=simulator.base_url,
                queue_dir=self.queue,
                bundle_roots=(self.root,),
                give_up_after_s=self.give_up_after_s,
                grace_s=1.0,
                prepare=False,
            )
            async with HybridWorker(settings) as worker:
                await worker.ai_ready()
                bad = self.play(f"{self.name}_bad", 101.0)
                await until(lambda: source_of(bad) is not None and ended(bad.name))
                good = self.play(f"{self.name}_good", 102.0)
                await until(lambda: source_of(good) is not None)
        assert source_of(bad) == "deterministic", self.name
        assert (good / "clip.coach.json").exists()
        assert not (bad / "clip.ai_coach.json").exists()
        assert not list((self.queue / "pending").glob("*_bad_ai_addendum.json"))


def source_of(bundle: Path) -> str | None:
    try:
        found: str | None = json.loads((bundle / "manifest.json").read_bytes()).get("coaching_source")
    except FileNotFoundError:
        return None
    return found


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.02)


def about(logs: list[Any], event: str, clip_id: str) -> list[dict[str, Any]]:
    return [one for one in logs if one["event"] == event and one["clip"] == clip_id]


async def test_every_bad_evening_leaves_a_deterministic_bundle_one_event_and_a_healthy_worker(tmp_path: Path) -> None:
    with capture_logs() as logs:

        def ended(clip_id: str) -> bool:
            return bool(about(logs, "ai_failed", clip_id))

        async with anyio.create_task_group() as group:
            for name, (outcome, kind) in EVENINGS.items():
                group.start_soon(Evening(tmp_path, name, outcome, kind).run, ended, name=name)
    told = {name: [event["kind"] for event in about(logs, "ai_failed", f"{name}_bad")] for name in EVENINGS}
    assert told == {name: [kind] for name, (_, kind) in EVENINGS.items()}
    assert all(len(about(logs, "ai_call", f"{name}_bad")) == 1 for name in EVENINGS)
    assert "test-key" not in repr(logs)
    assert "x.example" not in repr(logs)
