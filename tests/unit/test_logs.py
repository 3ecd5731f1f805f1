"""What a log line may hold, whatever is thrown at it."""

from __future__ import annotations

import io
import json
import logging
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from sg_generator import logs as generator_logs
from sg_hybrid.logs import MAX_VALUE, Cleaner, configure
from sg_hybrid.plaintext import printable
from sg_hybrid.secrecy import HIDDEN

KEY = "sk-test-0123456789"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    handlers = logging.getLogger().handlers[:]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


def lines(**event: object) -> list[dict[str, object]]:
    stream = io.StringIO()
    configure("json", stream=stream, secrets=[KEY])
    structlog.get_logger().info("told", **event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_pipe_gets_json_lines_and_a_terminal_gets_text() -> None:
    pipe, terminal = io.StringIO(), Terminal()
    configure("auto", stream=pipe)
    structlog.get_logger().info("told", clip_id="clip_1", count=3)
    event = json.loads(pipe.getvalue())
    assert (event["event"], event["level"], event["clip_id"], event["count"]) == ("told", "info", "clip_1", 3)
    assert event["timestamp"].endswith("Z")
    configure("auto", stream=terminal)
    structlog.get_logger().info("told", clip_id="clip_1")
    assert "told" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_colours_only_on_a_terminal_or_when_asked() -> None:
    for stream, colors, expected in (
        (io.StringIO(), None, False),
        (Terminal(), False, False),
        (Terminal(), None, True),
    ):
        configure("console", stream=stream, colors=colors)
        structlog.get_logger().warning("told")
        assert ("\x1b[" in stream.getvalue()) is expected


@pytest.mark.parametrize(
    ("name", "value", "coloured"),
    [("NO_COLOR", "1", False), ("TERM", "dumb", False), ("NO_COLOR", "", True), ("TERM", "xterm", True)],
)
def test_colours_are_for_terminals_that_want_them(
    name: str, value: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    workers, generators = Terminal(), Terminal()
    configure("console", stream=workers)
    structlog.get_logger().warning("told")
    monkeypatch.setattr(sys, "stderr", generators)
    generator_logs.configure("console", "info")
    structlog.get_logger().warning("told")
    for stream in (workers, generators):
        assert "told" in stream.getvalue()
        assert ("\x1b[" in stream.getvalue()) is coloured


def test_level_is_a_threshold() -> None:
    stream = io.StringIO()
    configure("json", "warning", stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


@pytest.mark.parametrize(
    "name", ["key", "api_key", "ANTHROPIC_API_KEY", "x-api-key", "token", "Authorization", "secret"]
)
def test_secret_by_name_is_hidden(name: str) -> None:
    assert lines(**{name: "hunter2"})[0][name] == HIDDEN
    assert lines(nested={name: ["hunter2"]})[0]["nested"] == {name: HIDDEN}


def test_counts_are_not_secrets() -> None:
    event = lines(input_tokens=12, token=3, key_present=True)[0]
    assert (event["input_tokens"], event["token"], event["key_present"]) == (12, 3, True)


@pytest.mark.parametrize(
    "value",
    [
        f"failed with {KEY}",
        {"headers": [("x", KEY)]},
        ValueError(f"bad {KEY}"),
        Path(f"/tmp/{KEY}"),
        f"sk-test-\u200b{KEY[8:]}",
        "Authorization: Bearer " + KEY,
        [[[[[[[[[KEY]]]]]]]]],
    ],
)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_key_is_hidden_wherever_it_stands(value: object, log_format: str) -> None:
    stream = io.StringIO()
    configure(log_format, stream=stream, secrets=[KEY])  # type: ignore[arg-type]
    structlog.get_logger().info(f"told {KEY}", value=value, **{KEY: 1})
    try:
        raise RuntimeError(f"refused {KEY}")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    assert "Traceback" in stream.getvalue()
    assert KEY[8:] not in stream.getvalue()


def test_key_of_the_usual_form_is_hidden_even_if_nobody_named_it() -> None:
    assert Cleaner()(None, "info", {"event": "x sk-ant-api03-abcdefgh y"}) == {"event": f"x {HIDDEN} y"}


TEXTS = st.text() | st.text(alphabet=st.sampled_from("a \n\t\r\x00\x1b[31m\x07\x9b\u202e\u200b\u2028\ufeff\ud800é日"))


@given(TEXTS, TEXTS)
def test_console_lines_are_printable(name: str, value: str) -> None:
    stream = io.StringIO()
    configure("console", stream=stream)
    structlog.get_logger().info(value, **{"x" + name: value, "nested": [value, {value: value}]})
    line = stream.getvalue()
    assert line.endswith("\n")
    assert line[:-1].isprintable()


@given(TEXTS)
def test_printable_keeps_what_can_be_seen(text: str) -> None:
    shown = printable(text, keep_lines=True)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char not in "\n\t"]
    assert printable(shown, keep_lines=True) == shown
    if text.isprintable():
        assert shown == text


def test_printable_drops_whole_sequences() -> None:
    assert printable("a\x1b[1;31mred\x1b[0m\x1b]0;title\x07b") == "aredb"
    assert printable("two\nlines\tand\u2028more") == "two lines and more"
    assert printable("two\nlines", keep_lines=True) == "two\nlines"


def test_long_values_are_cut_and_odd_numbers_stay_json() -> None:
    event = lines(text="x" * 10_000, odd=float("nan"))[0]
    assert len(str(event["text"])) == MAX_VALUE + 1
    assert event["odd"] == "nan"


def test_warnings_of_other_libraries_become_events() -> None:
    stream = io.StringIO()
    configure("json", stream=stream, secrets=[KEY])
    configure("json", stream=stream, secrets=[KEY])
    logging.getLogger("other").warning("retry %s with %s", 1, KEY)
    logging.getLogger("other").info("chatter")
    (event,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (event["logger"], event["level"], event["event"]) == ("other", "warning", f"retry 1 with {HIDDEN}")


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_log_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    configure("json", stream=closed)
    closed.close()
    structlog.get_logger().error("nobody hears this")
    configure("json", stream=Broken())
    structlog.get_logger().error("nor this")
    monkeypatch.setattr("sys.stderr", None)
    configure("auto")
    structlog.get_logger().error("nor that")


def test_narrow_encoding_loses_no_line() -> None:
    raw = io.BytesIO()
    configure("console", stream=io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    structlog.get_logger().info("größer")
    assert b"gr\\xf6\\xdfer" in raw.getvalue()
