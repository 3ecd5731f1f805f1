"""What the AI client needs to know is checked once."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from sg_hybrid.ai_client.http import WarmHttp
from sg_hybrid.ai_client.transport import real_transport
from sg_hybrid.ai_config import AiConfig
from sg_hybrid.errors import ConfigError
from tests.fakes import an_ai_config

KEY = "sk-test-very-secret"


@pytest.mark.parametrize("key", ["", " ", f"{KEY}\n", f"{KEY}\r\nx: y", f" {KEY}", f"{KEY}\u00e9", f"{KEY}\x00"])
def test_a_key_that_cannot_be_a_header_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError, match=r"^api_key: ") as caught:
        an_ai_config(api_key=key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("base_url", url) for url in ("", "api.anthropic.com", "ftp://x", "https://", "http://x:y", "http://x:0")],
        *[
            ("base_url", url)
            for url in ("https://u:p@x", "https://x/?a=1", "https://x/#a", "https://x/ y", "http://[x")
        ],
        *[("model", model) for model in ("", "a b", "a\nb", "x" * 201)],
        *[("provider", provider) for provider in ("", "My", "a:b")],
        *[(name, 0.0) for name in ("give_up_after_s", "connect_s", "read_s", "pool_s", "keepalive_s")],
        *[("give_up_after_s", value) for value in (-1.0, float("nan"), float("inf"))],
        *[(name, 0) for name in ("max_open_calls", "max_tokens", "max_reply_bytes")],
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: "):
        an_ai_config(**{name: value})


@pytest.mark.parametrize("url", ["https://api.anthropic.com", "http://127.0.0.1:8080", "http://[::1]:80/api/"])
def test_an_address_that_can_work_is_kept(url: str) -> None:
    assert an_ai_config(base_url=url).base_url == url


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(an_ai_config(api_key=KEY))


def test_what_a_user_can_set_has_its_default_in_the_settings_alone() -> None:
    with pytest.raises(TypeError, match="'base_url', 'model', 'provider', 'give_up_after_s', and 'max_open_calls'"):
        AiConfig(api_key=KEY)  # type: ignore[call-arg]


def test_the_waiting_for_a_connection_is_short_and_an_idle_one_outlives_a_take() -> None:
    http = WarmHttp(an_ai_config())
    assert http.timeout == httpx2.Timeout(20.0, connect=3.0, pool=0.25)
    assert http.client.timeout == http.timeout


def test_connections_are_as_many_as_calls_and_kept_for_four_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(httpx2, "AsyncHTTPTransport", lambda **options: made.append(options))
    real_transport(an_ai_config(max_open_calls=7))
    limits = httpx2.Limits(max_connections=7, max_keepalive_connections=7, keepalive_expiry=240.0)
    assert made == [{"http1": True, "http2": False, "limits": limits, "trust_env": False}]
