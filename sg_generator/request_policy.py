"""Which requests a server on a player's own machine answers, decided from their heads alone. Pure.

Every page in the player's browser can reach 127.0.0.1. So the `Host` has to be one of ours (a page that rebinds its
DNS name sends its own), a write has to come from our own page or from no page at all, and as `application/json` (a
foreign page cannot send that without asking first, and nobody answers its question).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sg_coach.untrusted import shown

MAX_BODY_BYTES: Final = 256 * 1024
"""Largest body of a request."""

MAX_HEAD_BYTES: Final = 16 * 1024
"""Largest sum of a request's headers (a browser's are a tenth of that)."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_OWN_SITES: Final = frozenset({"same-origin", "none"})
_JSON_TYPE: Final = re.compile(r'application/json(\s*;\s*charset\s*=\s*"?utf-8"?)?', re.IGNORECASE)

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which this server may be addressed."""

    names: frozenset[str] = LOOPBACK
    any_address: bool = False
    """Bound to all addresses: whatever is an IP address is one of ours (nobody rebinds an address)."""

    @classmethod
    def of(cls, bound_to: str) -> Hosts:
        """Return the names of a server that listens on `bound_to`."""
        name = f"[{bound_to.lower()}]" if ":" in bound_to else bound_to.lower()
        return cls(LOOPBACK | {name}, any_address=bound_to in WILDCARDS)

    def accept(self, host: str) -> bool:
        """Whether a `Host` header (with or without a port) names this server."""
        found = _HOST.fullmatch(host)
        if not found:
            return False
        name = found[1].lower()
        return name in self.names or (self.any_address and _is_address(name))


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(method: str, headers: Headers, hosts: Hosts) -> str | None:
    """Return why a request is not answered, as a sentence, or None."""
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEAD_BYTES:
        return f"headers: larger than {MAX_HEAD_BYTES} bytes; send less"
    host = _values(headers, b"host")
    if len(host) != 1 or not hosts.accept(host[0]):
        return f"Host: '{shown(host[0] if host else '', 60)}' is not this server; use http://127.0.0.1 and its port"
    return None if method in READS else _refused_write(headers, host[0])


def _refused_write(headers: Headers, host: str) -> str | None:
    origins = _values(headers, b"origin")
    if any(origin.lower() != f"http://{host.lower()}" for origin in origins):
        return f"Origin: '{shown(origins[0], 60)}' may not write here; only this server's own page may"
    if any(site.lower() not in _OWN_SITES for site in _values(headers, b"sec-fetch-site")):
        return "Sec-Fetch-Site: another site's page may not write here; only this server's own page may"
    types = _values(headers, b"content-type")
    if len(types) != 1 or not _JSON_TYPE.fullmatch(types[0].strip()):
        return f"Content-Type: '{shown(types[0] if types else '', 60)}' is not read; send application/json"
    return _too_long(_values(headers, b"content-length"))


def _too_long(lengths: list[str]) -> str | None:
    """A length that lies is found out while the body is read."""
    if any(not length.isdecimal() or len(length) > 20 or int(length) > MAX_BODY_BYTES for length in lengths):
        return BODY_TOO_LARGE
    return None


BODY_TOO_LARGE: Final = f"body: larger than {MAX_BODY_BYTES} bytes (256 KiB); send less"


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
