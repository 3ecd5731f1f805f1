"""Digests as text: the one form in which the product names bytes."""

from __future__ import annotations

import hashlib


def sha256_bytes(data: bytes) -> str:
    """Return `sha256:` and 64 lower-case hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
