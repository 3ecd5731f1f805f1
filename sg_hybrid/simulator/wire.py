"""Bodies as the Messages API sends them, plain and as an event stream. Pure: outcomes in, bytes out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any, Final

from .outcomes import Call, Fault, Outcome
from .texts import reply_for

HUGE_BYTES: Final = 5_000_000
GARBAGE: Final = "{'coaching_tip': undefined, "
_DELTA: Final = 12
"""Characters in one delta of a stream: some three tokens."""
_STOP_REASONS: Final = {Fault.REFUSAL: "refusal", Fault.MAX_TOKENS: "max_tokens", Fault.TOOL_USE: "tool_use"}
_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
LOGIN_PAGE: Final = b"<!DOCTYPE html><html><head><title>Login</title></head><body>Welcome to this network</body></html>"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says to one call, and what that counts."""

    call: Call
    outcome: Outcome
    model: str
    cached: bool
    """The system prompt was seen before, so its tokens are read from the cache."""

    @property
    def text(self) -> str:
        """The reply as the model writes it: one JSON object, unless the outcome says otherwise."""
        if self.outcome.fault in (Fault.EMPTY, Fault.TOOL_USE):
            return ""
        whole = self.outcome.text or json.dumps(reply_for(self.call.facts, self.call.number), ensure_ascii=False)
        if self.outcome.fault is Fault.MAX_TOKENS:
            return whole[: len(whole) // 2]
        if self.outcome.fault is Fault.GARBAGE:
            return GARBAGE
        return "x" * HUGE_BYTES if self.outcome.fault is Fault.HUGE else whole

    @property
    def stop_reason(self) -> str:
        fault = self.outcome.fault
        return _STOP_REASONS.get(fault, "end_turn") if fault else "end_turn"

    def usage(self) -> dict[str, int]:
        """Return the token counts of the request; the system prompt counts as cached or as written to the cache."""
        system = self.call.body.get("system")
        kept = "cache_control" in json.dumps(system)
        prompt, facts = tokens(json.dumps(system)), tokens(json.dumps(self.call.body.get("messages")))
        return {
            "input_tokens": facts if kept else facts + prompt,
            "cache_creation_input_tokens": prompt if kept and not self.cached else 0,
            "cache_read_input_tokens": prompt if kept and self.cached else 0,
        }

    def message(self) -> dict[str, Any]:
        """Return the whole message, as a plain call is answered."""
        content: list[dict[str, Any]] = [{"type": "text", "text": self.text}] if self.text else []
        if self.outcome.fault is Fault.TOOL_USE:
            content = [{"type": "tool_use", "id": "toolu_1", "name": "coach", "input": {}}]
        if self.outcome.thinking:
            content = [{"type": "thinking", "thinking": "One tip.", "signature": "sim"}, *content]
        usage = {**self.usage(), "output_tokens": tokens(self.text)}
        return {**self._head(), "content": content, "stop_reason": self.stop_reason, "usage": usage}

    def events(self) -> Iterator[bytes]:
        """Yield the events of the stream, one by one."""
        usage = {**self.usage(), "output_tokens": 1}
        yield event("message_start", message={**self._head(), "content": [], "stop_reason": None, "usage": usage})
        yield event("ping")
        for index, block in enumerate(self.message()["content"]):
            yield from _block_events(index, block)
        yield event(
            "message_delta",
            delta={"stop_reason": self.stop_reason, "stop_sequence": None},
            usage={"output_tokens": tokens(self.text)},
        )
        yield event("message_stop")

    def _head(self) -> dict[str, Any]:
        return {
            "id": f"msg_simulated_{self.call.number:06}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "stop_sequence": None,
        }


def stream_of(answer: Answer) -> Iterator[bytes]:
    """Yield the pieces of a streamed body, faults included; without end for a drip and an endless answer."""
    fault, events = answer.outcome.fault, answer.events()
    if fault is Fault.NOT_A_MESSAGE:
        return (b"event: message_start\ndata: {}\n\n" for _ in range(3))
    if fault is Fault.NOISE:
        return iter([b"event: message_start\ndata: \xff\xfe\xc0\xaf\n\n"])
    if fault is Fault.ERROR_EVENT:
        return iter([*islice(events, 4), error_event()])
    if fault is Fault.DRIP:
        return _then(events, b":")
    if fault is Fault.ENDLESS:
        more = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "and " * 200})
        return _then(events, more)
    return iter([b"".join(events)[: answer.outcome.cut_at]]) if fault in (Fault.CUT, Fault.RESET) else events


def plain_of(document: Mapping[str, Any], outcome: Outcome) -> Iterator[bytes]:
    """Yield the pieces of a plain body, faults included."""
    body = json.dumps(document, ensure_ascii=False).encode()
    fault = outcome.fault
    if fault is Fault.NOT_A_MESSAGE:
        return iter([b"{}"])
    if fault is Fault.NOISE:
        return iter([b"\xff\xfe\xc0\xaf"])
    if fault is Fault.DRIP:
        return repeat(b" ")
    if fault is Fault.ENDLESS:
        return repeat(b" " * 4096)
    return iter([body[: outcome.cut_at] if fault in (Fault.CUT, Fault.RESET) else body])


def _then(events: Iterator[bytes], more: bytes) -> Iterator[bytes]:
    """Yield the beginning of a stream, then `more` again and again."""
    yield from islice(events, 3)
    yield from repeat(more)


def _block_events(index: int, block: Mapping[str, Any]) -> Iterator[bytes]:
    kind, text = block["type"], block.get("text", "")
    empty = {**block, "text": ""} if kind == "text" else {**block, "thinking": ""} if kind == "thinking" else block
    yield event("content_block_start", index=index, content_block=empty)
    if kind == "thinking":
        yield event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": block["thinking"]})
        yield event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": "sim"})
    step = max(_DELTA, len(text) // 1000)
    for start in range(0, len(text), step):
        delta = {"type": "text_delta", "text": text[start : start + step]}
        yield event("content_block_delta", index=index, delta=delta)
    yield event("content_block_stop", index=index)


def event(name: str, **fields: Any) -> bytes:
    """Return one server-sent event of the API."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()


def error_body(status: int, message: str = "simulated") -> bytes:
    """Return the body that goes with an HTTP error."""
    kind = _ERROR_TYPES.get(status, "api_error")
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


def error_event() -> bytes:
    """Return the event that ends a stream when the service is overloaded."""
    return event("error", error={"type": "overloaded_error", "message": "simulated"})


def tokens(text: str) -> int:
    """Estimate the tokens of a text: four characters each."""
    return max(len(text) // 4, 1)
