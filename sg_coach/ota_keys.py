"""Ed25519 keys (RFC 8032) as PEM files, by the `cryptography` package. Importing this without it raises ExtraMissing.

The private key is PKCS 8 without a password (mode 0600), the public one SubjectPublicKeyInfo. A key's name, its
`key_id`, is `ed25519-` and the first 32 hexadecimal digits of the SHA-256 of its 32 raw public bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .errors import ExtraMissing, InvalidInput
from .files import PRIVATE, SHARED, Folder
from .trees import read_file

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )
except ImportError as error:
    raise ExtraMissing("keys need the cryptography package; install it with: pip install sg-hybrid[sign]") from error

PRIVATE_KEY_NAME: Final = "sgc-signing-key.pem"
PUBLIC_KEY_NAME: Final = "sgc-signing-key.pub.pem"
MAX_KEY_BYTES: Final = 16 * 1024

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its name; no repr shows the key."""

    key_id: str
    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature over `data`."""
        return self.private.sign(data)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key that the caller trusts, and its name."""

    key_id: str
    public: Ed25519PublicKey = field(repr=False)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` was made by this key over `data`."""
        try:
            self.public.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def generate_key_pair(folder: Path) -> tuple[Path, Path]:
    """Write a new key pair into `folder` (created with mode 0700 if missing); return the private and the public path.

    Raises InvalidInput if one of the files is there already: a key is never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Folder.open(folder) as opened, opened.lock():
        for name in (PRIVATE_KEY_NAME, PUBLIC_KEY_NAME):
            if opened.exists(name):
                raise InvalidInput("a key is there already", source=str(folder / name), remedy="use another folder")
        opened.write(PRIVATE_KEY_NAME, private, mode=PRIVATE)
        opened.write(PUBLIC_KEY_NAME, public, mode=SHARED)
    return folder / PRIVATE_KEY_NAME, folder / PUBLIC_KEY_NAME


def load_signing_key(path: Path) -> SigningKey:
    """Return the private key in a PEM file.

    Raises InvalidInput if it is no Ed25519 private key or has a password, FileNotFoundError, UnsafePath.
    """
    try:
        key = load_pem_private_key(read_file(path, MAX_KEY_BYTES), password=None)
    except _UNREADABLE as error:
        raise _bad_key(path, "not a private key in PEM without a password", PRIVATE_KEY_NAME) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad_key(path, "not an Ed25519 key", PRIVATE_KEY_NAME)
    return SigningKey(key_id_of(key.public_key().public_bytes_raw()), key)


def load_trusted_key(path: Path) -> TrustedKey:
    """Return the public key in a PEM file.

    Raises InvalidInput if it is no Ed25519 public key, FileNotFoundError, UnsafePath.
    """
    try:
        key = load_pem_public_key(read_file(path, MAX_KEY_BYTES))
    except _UNREADABLE as error:
        raise _bad_key(path, "not a public key in PEM", PUBLIC_KEY_NAME) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key(path, "not an Ed25519 key", PUBLIC_KEY_NAME)
    return TrustedKey(key_id_of(key.public_bytes_raw()), key)


def key_id_of(raw_public_key: bytes) -> str:
    """Return the name of a key from its 32 raw public bytes."""
    return "ed25519-" + hashlib.sha256(raw_public_key).hexdigest()[:32]


def _bad_key(path: Path, problem: str, wanted: str) -> InvalidInput:
    return InvalidInput(problem, source=str(path), remedy=f"give the {wanted} that sgc keygen made")
