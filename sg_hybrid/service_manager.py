"""Talking to the service manager (systemd's sd_notify protocol): ready, stopping, and still alive.

One datagram a message, to the socket that NOTIFY_SOCKET names: a path, or `@name` for an abstract one. Nothing is sent
where there is none, and a manager that does not listen never holds the worker up.
"""

from __future__ import annotations

import socket
from typing import Final

import anyio
import structlog

WATCHDOG_SHARE: Final = 0.5
"""Signs of life come at this part of the time after which the manager would restart us (sd_watchdog_enabled(3))."""

_log = structlog.get_logger(__name__)


class ServiceManager:
    """Where this process reports to; `watchdog_usec` is what WATCHDOG_USEC says (None: no watchdog)."""

    def __init__(self, address: str | None, watchdog_usec: int | None = None) -> None:
        self._address = address
        self._watchdog_s = None if watchdog_usec is None else watchdog_usec / 1e6
        self._complained = False

    def ready(self) -> None:
        """The folders are watched."""
        self._tell(b"READY=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell(b"STOPPING=1")

    async def stay_alive(self) -> None:
        """Send signs of life from the event loop until cancelled: a loop that hangs sends none.

        Returns if there is no watchdog.
        """
        while self._address and self._watchdog_s is not None:
            self._tell(b"WATCHDOG=1")
            await anyio.sleep(self._watchdog_s * WATCHDOG_SHARE)

    def _tell(self, message: bytes) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message, _socket_path(self._address))
        except OSError as error:
            if not self._complained:
                _log.warning("not_notified", socket=self._address, error=str(error))
            self._complained = True


def _socket_path(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address
