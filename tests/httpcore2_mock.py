"""respx for httpx2: respx patches httpcore, the SDK's client is built on httpcore2.

Import this module, then use `respx.mock(using="httpcore2")`.
"""

from __future__ import annotations

from typing import Any

import httpcore2
from respx.mocks import HTTPCoreMocker


class Httpcore2Mocker(HTTPCoreMocker):
    """The httpcore mocker with httpcore2's pools as its targets."""

    name = "httpcore2"
    targets = [target.replace("httpcore.", "httpcore2.") for target in HTTPCoreMocker.targets]  # noqa: RUF012 - as respx

    @classmethod
    def from_sync_httpx_response(cls, httpx_response: Any, target: Any, **kwargs: Any) -> Any:
        """Return the answer as httpcore2's own type."""
        return httpcore2.Response(
            status=httpx_response.status_code,
            headers=httpx_response.headers.raw,
            content=httpx_response.stream,
            extensions=httpx_response.extensions,
        )
