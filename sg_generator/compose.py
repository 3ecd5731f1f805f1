"""The server of some settings, put together from the real edges. The clock enters here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .clock import utc_now
from .engine_seam import Engine
from .service import Service
from .settings import Settings

if TYPE_CHECKING:
    from .guard import Guard
    from .watch import Hub


class Composed(NamedTuple):
    """An ASGI application, and what ends its event streams."""

    app: Guard
    hub: Hub


def service_of(settings: Settings) -> Service:
    """Return the service of these settings."""
    return Service(settings, Engine(settings.engine), utc_now)


def server_of(settings: Settings) -> Composed:
    """Return the guarded application of these settings."""
    from .guard import Guard  # here: a clip without a server needs no FastAPI, which takes as long as all the rest
    from .http_api import build_app
    from .request_policy import Hosts
    from .watch import Hub

    hub = Hub()
    return Composed(Guard(build_app(service_of(settings), hub), Hosts.of(settings.host)), hub)
