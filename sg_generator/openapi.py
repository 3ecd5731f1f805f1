"""The API as an OpenAPI document: FastAPI's, made true. Pure.

FastAPI tells of HTTP 422, which is never sent here: every error is an answer with HTTP 200.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_NOT_OURS: Final = ("HTTPValidationError", "ValidationError")
_SERVER: Final = {"url": "http://127.0.0.1:8420", "description": "The default address; loopback only"}
DESCRIPTION: Final = (
    "Chords in, a backing clip and its bundle out; takes and verdicts in, coaching out. Every error answers HTTP 200 "
    "with `status: failed`, `error_code` and `error_message`."
)


def document_of(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application; the same each time."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version="1", description=DESCRIPTION, routes=app.routes, servers=[_SERVER])
        for path in made["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in _NOT_OURS:
            made["components"]["schemas"].pop(name, None)
        app.openapi_schema = made
    return app.openapi_schema
