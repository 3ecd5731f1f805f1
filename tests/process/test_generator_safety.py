"""A server on the player's own machine: what other pages, sloppy clients and slow ones cannot do."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from .generator import JSON, WANTED, Server, failed

LIMIT = 256 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("generator")) as running:
        yield running


def answer_in(raw: bytes) -> dict[str, object]:
    """The JSON answer of a raw response with HTTP 200."""
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), raw[:200]
    found: dict[str, object] = json.loads(body)
    return found


def generation(*headers: str, body: bytes = json.dumps(WANTED).encode()) -> bytes:
    """A raw POST /generate with these header lines and nothing else but its length."""
    lines = ["POST /generate HTTP/1.1", *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# Who may ask


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.1:1", "localhost:65535"])
def test_this_machine_may_be_called_by_any_of_its_names(server: Server, host: str) -> None:
    _, _, body = server.ask("GET", "/status", headers={"Host": host})
    assert json.loads(body)["status"] == "ok"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.",
        "0.0.0.0",
        "192.168.1.7",
        "[::2]",
        "127.0.0.1@evil",
        "",
        "a b",
    ],
)
def test_another_host_is_refused_for_reads_and_writes(server: Server, host: str) -> None:
    before = server.tree()
    for method, path, body in (("GET", "/status", None), ("GET", "/", None), ("POST", "/generate", json.dumps(WANTED))):
        raw = body.encode() if body else None
        _, _, answer = server.ask(method, path, raw, {**JSON, "Host": host})
        assert failed(json.loads(answer), "VALIDATION_ERROR", "Host")
    assert server.tree() == before


def test_no_host_and_two_hosts_are_refused(server: Server) -> None:
    assert server.raw(b"GET /status HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400")
    two = b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert server.raw(two).startswith(b"HTTP/1.1 400")
    assert failed(answer_in(server.raw(b"GET /status HTTP/1.0\r\n\r\n")), "VALIDATION_ERROR", "Host")


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://localhost:{port}",
        "http://localhost",
        "http://127.0.0.1:{port}",
        "file://",
        "",
    ],
)
def test_a_write_from_another_origin_has_no_effect(server: Server, origin: str) -> None:
    before = server.tree()
    headers = {**JSON, "Host": f"localhost:{server.port}", "Origin": origin.format(port=server.port)}
    _, answered, body = server.ask("POST", "/generate", json.dumps(WANTED).encode(), headers)
    assert failed(json.loads(body), "VALIDATION_ERROR", "Origin")
    assert not any(name.lower().startswith("access-control") for name in answered)
    assert server.tree() == before


def test_our_own_page_may_write(server: Server) -> None:
    for name in ("localhost", "127.0.0.1"):
        own = f"{name}:{server.port}"
        headers = {**JSON, "Host": own, "Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}
        _, _, body = server.ask("POST", "/generate", json.dumps(WANTED).encode(), headers)
        assert json.loads(body)["status"] == "ok"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_write_that_the_browser_calls_foreign_is_refused(server: Server, site: str) -> None:
    _, _, body = server.ask("POST", "/generate", json.dumps(WANTED).encode(), {**JSON, "Sec-Fetch-Site": site})
    assert failed(json.loads(body), "VALIDATION_ERROR", "Sec-Fetch-Site")


def test_a_foreign_page_gets_no_permission_to_read(server: Server) -> None:
    _, headers, _ = server.ask("GET", "/session_index", headers={"Origin": "http://evil.example"})
    assert not any(name.lower().startswith("access-control") for name in headers)
    assert headers["cross-origin-resource-policy"] == "same-origin"
    _, headers, body = server.ask("OPTIONS", "/generate", headers={"Origin": "http://evil.example"})
    assert not any(name.lower().startswith("access-control") for name in headers)
    assert json.loads(body)["status"] == "failed"


@pytest.mark.parametrize(
    "type_", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", "", "json"]
)
def test_a_write_of_another_type_has_no_effect(server: Server, type_: str) -> None:
    before = server.tree()
    _, _, body = server.ask("POST", "/generate", json.dumps(WANTED).encode(), {"Content-Type": type_})
    assert failed(json.loads(body), "VALIDATION_ERROR", "Content-Type", "application/json")
    assert server.tree() == before


@pytest.mark.parametrize(
    "type_", ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"']
)
def test_json_may_name_its_charset(server: Server, type_: str) -> None:
    _, _, body = server.ask("POST", "/generate", json.dumps(WANTED).encode(), {"Content-Type": type_})
    assert json.loads(body)["status"] == "ok"


def test_the_page_comes_with_a_policy(server: Server) -> None:
    for path in ("/", "/static/main.js", "/status"):
        _, headers, _ = server.ask("GET", path, headers={})
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


# How much


def padded(length: int) -> bytes:
    """A request of so many bytes."""
    body = json.dumps(WANTED).encode()
    return body + b" " * (length - len(body))


def test_the_body_may_have_256_kib_and_not_a_byte_more(server: Server) -> None:
    assert server.post("/generate", padded(LIMIT))["status"] == "ok"
    before = server.tree()
    assert failed(server.post("/generate", padded(LIMIT + 1)), "VALIDATION_ERROR", "body", "262144")
    assert failed(server.post("/generate", padded(20 * LIMIT)), "VALIDATION_ERROR", "body", "262144")
    assert server.tree() == before


def test_a_body_in_pieces_is_measured_while_it_is_read(server: Server) -> None:
    head = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\nConnection: close\r\n"
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for extra in (b"", b"Content-Length: 5\r\n"):
        raw = server.raw(head + extra + b"\r\n" + piece * 5 + b"0\r\n\r\n")
        assert raw.startswith(b"HTTP/1.1 400") or failed(answer_in(raw), "VALIDATION_ERROR", "262144")


def test_a_length_that_lies_has_no_effect(server: Server) -> None:
    before = server.tree()
    head = "POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    for length in ("-1", "x", "9" * 30):
        answer = server.raw(f"{head}Content-Length: {length}\r\n\r\n{{}}".encode())
        assert answer.startswith(b"HTTP/1.1 400") or failed(answer_in(answer), "VALIDATION_ERROR")
    short = (
        b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{}"
    )
    assert server.raw(short) == b"" or b"failed" in server.raw(short)
    assert server.tree() == before
    assert server.get("/status")["status"] == "ok"


def test_a_head_of_64_kib_is_refused(server: Server) -> None:
    head = b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"x" * 65536 + b"\r\n\r\n"
    with contextlib.suppress(ConnectionResetError):
        raw = server.raw(head)
        assert raw.startswith(b"HTTP/1.1 400") or failed(answer_in(raw), "VALIDATION_ERROR", "headers")
    assert server.get("/status")["status"] == "ok"


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00", b"\r\n\r\n\r\n", b"HELLO\r\n\r\n", b"GET  /\r\n\r\n", b"\x00" * 100]
)
def test_noise_is_no_request_and_hurts_nobody(server: Server, noise: bytes) -> None:
    assert server.raw(noise, half_close=True)[:12] in (b"", b"HTTP/1.1 400")
    assert server.get("/status")["status"] == "ok"


def test_200_requests_at_once_are_all_answered(server: Server) -> None:
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        clips = list(pool.map(lambda seed: server.clip(seed=seed, session_id=f"at-once-{seed}"), range(200)))
    assert len(set(clips)) == 200
    indexed = {entry["clip_id"] for entry in server.get("/session_index?limit=10000")["entries"]}
    assert indexed >= set(clips)


def test_200_verdicts_at_once_are_all_in_the_index(server: Server) -> None:
    clip_id = server.clip()
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = list(
            pool.map(lambda _: server.post("/feedback", {"clip_id": clip_id, "verdict": "pass"}), range(200))
        )
    assert {answer["status"] for answer in answers} == {"ok"}
    entries = server.get("/session_index?limit=10000")["entries"]
    assert sum(entry["clip_id"] == clip_id and entry["verdict"] == "pass" for entry in entries) == 200


# How slow


def test_a_client_that_never_ends_its_head_is_let_go(server: Server) -> None:
    begun = [b"", b"POST /generate HT", b"POST /generate HTTP/1.1\r\nHost: localhost\r\n"]
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in begun]
    for connection, sent in zip(slow, begun, strict=True):
        connection.sendall(sent)
    for connection in slow:
        with connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(1000) == b""
    assert server.get("/status")["status"] == "ok"


def test_a_body_that_never_comes_is_an_answer(server: Server) -> None:
    head = (
        b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head)
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    assert failed(answer_in(raw), "VALIDATION_ERROR", "body", "within")
