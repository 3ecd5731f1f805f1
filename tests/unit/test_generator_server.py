"""The generator's server where no disk and no socket is needed: who may ask, what is told, what is suggested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream

from sg_coach.models import CoachingDeterministic, Decision
from sg_generator.answers import Coaching, Envelope
from sg_generator.errors import SettingUnusable
from sg_generator.event_stream import EventStream
from sg_generator.failures import failure_of, named_in
from sg_generator.guard import Guard
from sg_generator.models import ClipRequest, request_from
from sg_generator.request_policy import Hosts, is_loopback, refusal
from sg_generator.settings import VARIABLES, Settings
from sg_generator.suggest import following, suggestion
from sg_generator.watch import Hub, TooManyListeners, news

SESSION = "550e8400-e29b-41d4-a716-446655440000"


def coached(at: str = "2026-02-04T12:34:56.789Z", *, ai: str | None = None, **changes: Any) -> Coaching:
    """What is said about a coached take."""
    deterministic = CoachingDeterministic.model_validate(
        {
            "schema_id": "coaching_deterministic",
            "schema_version": "v1",
            "session_id": SESSION,
            "clip_id": "clip_1",
            "created_at_utc": at,
            "score": 90.0,
            "take_result": "pass",
            "policy_id": "v1_default",
            "decision": {
                "difficulty_delta": 0.05,
                "tempo_delta_bpm": 3.0,
                "density_bucket": "dense",
                "syncopation_bucket": "straight",
            },
            "coach_hint": "Keep this pulse.",
        }
    )
    tip = None if ai is None else {"coaching_tip": ai}
    source = "deterministic" if ai is None else "hybrid"
    envelope = Envelope(source=source, deterministic=deterministic, ai=tip)  # type: ignore[arg-type]
    return Coaching(clip_id="clip_1", state="coached", envelope=envelope, **changes)


NOTHING = Coaching(clip_id="clip_1", state="no_take")
WAITING = Coaching(clip_id="clip_1", state="waiting")
REFUSED = Coaching(clip_id="clip_1", state="refused", error={"message": "bpm"})
LATER = "2026-02-04T12:35:00.000Z"

# What is news


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (NOTHING, NOTHING, []),
        (NOTHING, WAITING, ["take"]),
        (WAITING, coached(), ["coach"]),
        (NOTHING, coached(), ["take", "coach"]),
        (coached(), coached(), []),
        (coached(), coached(ai="tip"), ["ai_coach"]),
        (coached(ai="tip"), coached(ai="tip"), []),
        (WAITING, coached(ai="tip"), ["coach", "ai_coach"]),
        (coached(), coached(queued={"coaching_tip": "q"}), ["queued"]),
        (coached(ai="tip"), WAITING, ["take"]),
        (coached(ai="tip"), coached(LATER), ["take", "coach"]),
        (coached(ai="tip"), coached(LATER, ai="tip"), ["take", "coach", "ai_coach"]),
        (WAITING, REFUSED, ["error"]),
        (REFUSED, REFUSED, []),
        (REFUSED, WAITING, ["take"]),
    ],
)
def test_what_is_told_is_what_appeared(before: Coaching, now: Coaching, told: list[str]) -> None:
    assert news(before, now) == told


class Bundles:
    """Bundles whose signatures a test changes; counts who looks."""

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.looked: list[Sequence[str]] = []

    async def look(self, bundles: Sequence[str]) -> dict[str, tuple[object, ...]]:
        self.looked.append(bundles)
        return {bundle: (self.now.get(bundle, 0),) for bundle in bundles}


async def test_a_listener_hears_of_its_own_bundle_alone() -> None:
    bundles = Bundles()
    hub = Hub(look=bundles.look)
    async with anyio.create_task_group() as group:
        group.start_soon(hub.run)
        with hub.listen("a") as of_a, hub.listen("b") as of_b:
            await anyio.sleep(1)
            of_a.receive_nowait()
            of_b.receive_nowait()
            bundles.now["a"] = 1
            await anyio.sleep(1)
            of_a.receive_nowait()
            for stream in (of_a, of_b):
                with pytest.raises(anyio.WouldBlock):
                    stream.receive_nowait()
        group.cancel_scope.cancel()


async def test_nobody_looks_when_nobody_listens() -> None:
    bundles = Bundles()
    hub = Hub(look=bundles.look)
    async with anyio.create_task_group() as group:
        group.start_soon(hub.run)
        await anyio.sleep(10)
        assert bundles.looked == []
        with hub.listen("a"):
            await anyio.sleep(1)
        await anyio.sleep(1)
        seen = len(bundles.looked)
        assert 10 < seen < 30
        await anyio.sleep(10)
        assert len(bundles.looked) <= seen + 1
        group.cancel_scope.cancel()


async def test_listeners_are_bounded_and_requests_that_wait_are_counted_apart() -> None:
    hub = Hub(max_listeners=1, look=Bundles().look)
    with hub.listen("a"), hub.listen("a", briefly=True), pytest.raises(TooManyListeners), hub.listen("a"):
        pass
    with hub.listen("a"):
        pass


async def test_a_closed_hub_ends_those_who_listen_and_those_who_come() -> None:
    hub = Hub(look=Bundles().look)
    with hub.listen("a") as before:
        hub.close()
        with hub.listen("a") as after:
            for stream in (before, after):
                await stream.receive()
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()


class Client:
    """A client of an event stream: what it got, and whether it is still there."""

    def __init__(self) -> None:
        self.text = ""
        self.gone = anyio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.text += message.get("body", b"").decode()

    async def listen(self, view: Any, listening: AbstractContextManager[MemoryObjectReceiveStream[None]]) -> None:
        await EventStream(NOTHING, view, listening)({}, self.receive, self.send)


async def test_a_silent_stream_is_kept_alive_and_ends_with_its_client() -> None:
    async def view() -> Coaching:
        return NOTHING

    client, hub = Client(), Hub(look=Bundles().look)
    async with anyio.create_task_group() as group:
        group.start_soon(client.listen, view, hub.listen("a"))
        await anyio.sleep(50)
        assert client.text.count(": alive") == 3
        assert client.text.count("event:") == 1
        client.gone.set()
        await anyio.sleep(1)
    assert "event: end" not in client.text
    with hub.listen("a"):
        assert len(hub._listeners) == 1


async def test_a_bundle_that_is_gone_ends_its_stream() -> None:
    async def view() -> Coaching:
        raise FileNotFoundError

    client, hub = Client(), Hub(look=Bundles().look)
    with anyio.fail_after(5):
        await client.listen(view, hub.listen("a"))
    assert client.text.endswith("event: end\ndata: {}\n\n")


# Who may ask


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.10", "::1", "LOCALHOST"])
def test_these_addresses_are_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "127.0.0.1.example.org", ""])
def test_these_are_not(host: str) -> None:
    assert not is_loopback(host)


def test_a_server_that_is_bound_elsewhere_answers_to_that_name_too() -> None:
    hosts = Hosts.of("guitar.local")
    assert hosts.accept("guitar.local:8420")
    assert hosts.accept("localhost")
    assert not hosts.accept("192.168.1.7")
    assert Hosts.of("fe80::1").accept("[fe80::1]:8420")


def test_a_head_may_not_be_endless() -> None:
    head = [(b"host", b"localhost"), *[(b"x", b"y" * 1000)] * 17]
    assert refusal("GET", head, Hosts()) is not None
    assert refusal("GET", head[:10], Hosts()) is None


async def test_a_body_that_drips_is_cut_off_in_time() -> None:
    async def receive() -> dict[str, Any]:
        await anyio.sleep(1)
        return {"type": "http.request", "body": b" ", "more_body": True}

    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def app(*_: Any) -> None:
        raise AssertionError("nobody sees half a body")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/generate",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    begin = anyio.current_time()
    await Guard(app, Hosts())(scope, receive, send)
    assert anyio.current_time() - begin == 10
    assert "within 10 s" in json.loads(b"".join(sent))["error_message"]


# What is suggested


@pytest.mark.parametrize(
    ("verdict", "density", "syncopation", "steps"),
    [
        ("pass", "sparse", "straight", (1, 1)),
        ("pass", "dense", "light", (0, 1)),
        ("struggle", "medium", "straight", (-1, 0)),
        ("struggle", "dense", "heavy", (-1, -1)),
    ],
)
def test_a_verdict_moves_one_step_within_the_buckets(
    verdict: Any, density: Any, syncopation: Any, steps: tuple[int, int]
) -> None:
    found = suggestion(verdict, density, syncopation, None)
    assert found is not None
    assert (found.density_delta, found.syncopation_delta) == steps


def test_the_coach_goes_before_the_verdict() -> None:
    envelope = coached().envelope
    assert envelope is not None
    found = suggestion("struggle", "sparse", "heavy", envelope.deterministic)
    assert found is not None
    assert (found.density_delta, found.syncopation_delta, found.coach_hint) == (2, -2, "Keep this pulse.")
    assert suggestion(None, "sparse", "heavy", None) is None


@pytest.mark.parametrize(("tempo", "delta", "following_tempo"), [(120, 3, 123), (299, 10, 300), (31, -10, 30)])
def test_the_coach_is_followed_to_the_letter_within_the_limits(
    tempo: float, delta: float, following_tempo: float
) -> None:
    request: ClipRequest = request_from({"chords": ["C"], "tempo_bpm": tempo, "bars": 1, "seed": 2**63 - 1})
    decision = Decision(
        difficulty_delta=0, tempo_delta_bpm=delta, density_bucket="sparse", syncopation_bucket="straight"
    )
    after = following(request, decision)
    assert (after.tempo_bpm, after.density_bucket, after.syncopation_bucket) == (following_tempo, "sparse", "straight")
    assert after.seed == 0


# Settings and errors


def test_options_go_before_variables_and_empty_variables_count_as_unset() -> None:
    environ = {"HOME": "/home/p", "SG_GENERATOR_PORT": "9000", "SG_GENERATOR_HOST": "  ", "SG_BUNDLE_ROOTS": "~/a:/b"}
    settings = Settings.from_env(environ, flags={"port": 1234, "host": None})
    assert (settings.port, settings.host) == (1234, "127.0.0.1")
    assert [str(root) for root in settings.bundle_roots] == ["/home/p/a", "/b"]
    assert str(settings.bundle_root) == "/home/p/a"
    assert str(settings.queue_dir) == "/home/p/.sg-coach-queue"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SG_GENERATOR_PORT", "65536"),
        ("SG_GENERATOR_PORT", "-1"),
        ("SG_GENERATOR_HOST", "a b"),
        ("SG_ENGINE", "../engine"),
        ("SG_EMIT_ERROR_BUNDLES", "maybe"),
        ("SG_GENERATOR_GRACE_S", "nan"),
        ("SG_BUNDLE_ROOTS", "~other/x"),
        ("SG_LOG_LEVEL", "loud"),
        ("AI_COACH_ENABLED", "perhaps"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_with_its_value(variable: str, value: str) -> None:
    with pytest.raises(SettingUnusable, match=variable) as caught:
        Settings.from_env({"HOME": "/home/p", variable: value})
    assert repr(value) in str(caught.value)
    assert "it takes" in str(caught.value)


def test_without_a_home_the_setting_that_needs_it_is_named() -> None:
    with pytest.raises(SettingUnusable, match="SG_BUNDLE_ROOTS"):
        Settings.from_env({})


def test_the_table_in_the_module_is_what_there_is() -> None:
    import sg_generator.settings

    table = sg_generator.settings.__doc__ or ""
    assert all(f"    {name} " in table and f" {variable} " in table for name, variable in VARIABLES.items())


def test_a_disk_error_says_where_and_a_bug_is_none_of_them() -> None:
    with pytest.raises(OSError) as caught, named_in(Path("/clips/clip_1")):
        raise OSError(28, "No space left on device")
    failed = failure_of(caught.value)
    assert failed is not None
    assert failed.error_message == "/clips/clip_1: No space left on device"
    assert failure_of(ZeroDivisionError()) is None
