"""The page: the static files in `page/`, at `/` and below `/static/`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE: Final = Path(__file__).parent / "page"
_CACHING: Final = "no-cache"
"""Kept by the browser, asked for again (by its ETag): a new version of the program is seen at once."""


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = _CACHING
        return response


def add_page(app: FastAPI, folder: Path = PAGE) -> None:
    """Serve the page from `folder`."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return FileResponse(folder / "index.html", headers={"cache-control": _CACHING})

    app.mount("/static", _Files(directory=folder, check_dir=False), name="static")
