"""The rules for `contracts/`: every schema has its hash, every change its line in the changelog, and what was released
stays as it was. None of them needs the history: the folder says it all. And the Python models accept what the schemas
accept, and nothing else: tests/contracts/test_schemas.py compares them with generated documents.

A schema `{name}_v{N}.schema.json` has beside it `{name}_v{N}.schema.sha256`: 64 lower-case hexadecimal digits over the
canonical bytes (line ends LF), and a newline. A line of `CHANGELOG.md` names the schema and the first 12 digits of that
hash. Once `CONTRACTS_VERSION.json` says `public_released`, its `released` holds the hash of every v1 schema (and of
every later one that was released), and those files never change again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

CHANGELOG: Final = "CHANGELOG.md"
VERSION: Final = "CONTRACTS_VERSION.json"
SHORT: Final = 12
"""Digits of a hash that the changelog names."""

_COMPARISON_TIMEOUT_S: Final = 300
_SCHEMA_SUFFIX: Final = ".schema.json"
_HASH_SUFFIX: Final = ".schema.sha256"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*_v[1-9][0-9]*")
_HASH: Final = re.compile(r"[0-9a-f]{64}\n")


def schema_hash(raw: bytes) -> str:
    """Return the hash of a schema's canonical bytes: 64 lower-case hexadecimal digits."""
    return hashlib.sha256(raw.replace(b"\r\n", b"\n")).hexdigest()


def check_contracts(folder: Path) -> list[str]:
    """Return what breaks the rules in `folder`, one line a problem with its remedy; empty if all is well."""
    schemas = {_stem(path, _SCHEMA_SUFFIX): path for path in sorted(folder.glob("*" + _SCHEMA_SUFFIX))}
    if not schemas:
        return [f"{folder.name}: no {_SCHEMA_SUFFIX} file there"]
    hashes = {name: schema_hash(path.read_bytes()) for name, path in schemas.items()}
    return [
        *_check_names(hashes),
        *_check_hash_files(folder, hashes),
        *_check_changelog(folder / CHANGELOG, hashes),
        *_check_released(folder / VERSION, hashes),
    ]


def write_hashes(folder: Path) -> None:
    """Write the hash file of every schema."""
    for path in folder.glob("*" + _SCHEMA_SUFFIX):
        target = path.with_name(_stem(path, _SCHEMA_SUFFIX) + _HASH_SUFFIX)
        target.write_bytes(schema_hash(path.read_bytes()).encode() + b"\n")


def compare_models(comparison: Path) -> list[str]:
    """Return what the tests in `comparison` say against models and schemas; empty if they agree."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=line", str(comparison)]
    done = subprocess.run(
        command, cwd=comparison.parent, capture_output=True, text=True, check=False, timeout=_COMPARISON_TIMEOUT_S
    )
    if not done.returncode:
        return []
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return [f"models and schemas disagree: {line}" for line in failed or [(done.stdout + done.stderr).strip()]]


def main(arguments: list[str], folder: Path, comparison: Path) -> int:
    """Check `folder`, then the models (not with `--files-only`); `--write` writes the hash files first.

    Return the exit code.
    """
    parser = argparse.ArgumentParser("check_contracts_governance.py", description="Check the rules for contracts/.")
    parser.add_argument("--write", action="store_true", help="write the hash files first")
    parser.add_argument(
        "--files-only", action="store_true", help="leave the models to the tests, which compare them too"
    )
    options = parser.parse_args(arguments)
    if options.write:
        write_hashes(folder)
    problems = check_contracts(folder)
    if not options.files_only:
        problems += compare_models(comparison)
    for problem in problems:
        print(f"CONTRACTS: {problem}", file=sys.stderr)
    if not problems:
        print(f"CONTRACTS: hashes, changelog{'' if options.files_only else ', models'} and released versions agree")
    return 1 if problems else 0


def _stem(path: Path, suffix: str) -> str:
    return path.name.removesuffix(suffix)


def _check_names(hashes: Mapping[str, str]) -> Iterator[str]:
    for name in hashes:
        if not _NAME.fullmatch(name):
            yield f"{name}{_SCHEMA_SUFFIX}: name it {{name}}_v{{N}}{_SCHEMA_SUFFIX}"


def _check_hash_files(folder: Path, hashes: Mapping[str, str]) -> Iterator[str]:
    for name, digest in hashes.items():
        path = folder / (name + _HASH_SUFFIX)
        if not path.is_file():
            yield f"{path.name}: missing; write it with --write"
            continue
        text = path.read_bytes().replace(b"\r\n", b"\n").decode("ascii", "replace")
        if not _HASH.fullmatch(text):
            yield f"{path.name}: not one line of 64 lower-case hexadecimal digits; write it with --write"
        elif text.strip() != digest:
            yield f"{path.name}: the schema's hash is {digest}; name the change in {CHANGELOG}, then use --write"
    for path in sorted(folder.glob("*" + _HASH_SUFFIX)):
        if _stem(path, _HASH_SUFFIX) not in hashes:
            yield f"{path.name}: its schema is missing; bring it back or remove the hash"


def _check_changelog(path: Path, hashes: Mapping[str, str]) -> Iterator[str]:
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    for name, digest in hashes.items():
        named = re.compile(rf"(?<![a-z0-9_]){name}(?![a-z0-9_])")
        if not any(named.search(line) and digest[:SHORT] in line for line in lines):
            yield f"{CHANGELOG}: no line names {name} with {digest[:SHORT]}; say there what changed"


def _check_released(path: Path, hashes: Mapping[str, str]) -> Iterator[str]:
    version = _version(path)
    if version is None:
        yield f"{path.name}: needs an object with public_released (true or false), tag (text) and, once true, released"
        return
    if not version["public_released"]:
        return
    released: Mapping[str, str] = version.get("released") or {}
    for name in hashes:
        if name.endswith("_v1") and name not in released:
            yield f"{path.name}: released does not list {name}: add its hash as released as {version['tag']}"
    for name, digest in sorted(released.items()):
        if name not in hashes:
            yield f"{name}{_SCHEMA_SUFFIX}: released as {version['tag']} and now missing; bring it back"
        elif hashes[name] != digest:
            yield f"{name}{_SCHEMA_SUFFIX}: changed after its release as {version['tag']}; undo it or add a version"


def _version(path: Path) -> dict[str, Any] | None:
    try:
        version = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(version, dict) or not isinstance(version.get("released", {}), dict):
        return None
    usable = isinstance(version.get("public_released"), bool) and isinstance(version.get("tag"), str)
    return version if usable else None
