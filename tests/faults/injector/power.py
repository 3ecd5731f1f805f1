"""What a power cut may leave of a run, by two models (after Pillai et al., "All File Systems Are Not Created Equal",
OSDI 2014).

    posix   only what was fsynced is safe. Every other write and every other change of a name may be missing by itself;
            a write may be torn, or be zeros.
    ext4    (data=ordered, auto_da_alloc) changes of names reach the disk in order, any fsync commits all before it;
            data that was not fsynced may be missing; a rename over a file writes the new file's data first.

A rename is atomic in both. Not modelled: times, owners, modes changed later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Final

from tests.faults.tree import Node, Tree

from .recorder import Log, Op

ALL_SUBSETS_UP_TO: Final = 6
"""With so many unsafe changes all combinations are tried; with more: all, none, each alone, each missing."""

_META: Final = frozenset({"add", "del", "mv", "size"})


@dataclass(frozen=True, slots=True)
class Cut:
    """One state that may be found, and what had been said before."""

    after: str
    lost: str
    tree: Tree
    said: bytes


Choice = tuple[frozenset[int], dict[int, str]]
"""Which unsafe changes reached the disk, and how some of them did (`torn`, `zeros`)."""


def cuts(log: Log, model: str) -> Iterator[Cut]:
    """Yield each different state, by the moment of the cut."""
    seen: set[tuple[object, ...]] = set()
    for moment in range(len(log.ops) + 1):
        said = b"".join(op.data for op in log.ops[:moment] if op.kind == "said")
        changes = [number for number in range(moment) if log.ops[number].kind not in ("sync", "said")]
        unsafe = [number for number in changes if not _is_safe(log.ops, number, moment, model)]
        for kept, how in _choices(log.ops, unsafe, model):
            tree = _tree(log, sorted(kept | (set(changes) - set(unsafe))), how)
            state = (tuple(sorted(tree.items(), key=lambda item: item[0])), said)
            if state not in seen:
                seen.add(state)
                lost = [f"lost {log.ops[number].label}" for number in unsafe if number not in kept]
                damaged = [f"{what} {log.ops[number].label}" for number, what in how.items()]
                after = log.ops[moment - 1].label if moment else "the start"
                yield Cut(after, "; ".join(lost + damaged) or "nothing lost", tree, said)


def _is_safe(ops: list[Op], number: int, moment: int, model: str) -> bool:
    op = ops[number]
    needs = op.file if op.kind in ("data", "size") else op.into if op.kind == "mv" else op.folder
    return any(
        later.kind == "sync" and (later.file == needs or (model == "ext4" and op.kind in _META))
        for later in ops[number + 1 : moment]
    )


def _choices(ops: list[Op], unsafe: list[int], model: str) -> Iterable[Choice]:
    return _posix(ops, unsafe) if model == "posix" else _ext4(ops, unsafe)


def _posix(ops: list[Op], unsafe: list[int]) -> Iterator[Choice]:
    everything = frozenset(unsafe)
    if len(unsafe) <= ALL_SUBSETS_UP_TO:
        sizes = range(len(unsafe) + 1)
        yield from ((frozenset(kept), {}) for kept in chain.from_iterable(combinations(unsafe, size) for size in sizes))
    else:
        yield from ((frozenset(), {}), (everything, {}))
        for number in unsafe:
            yield frozenset({number}), {}
            yield everything - {number}, {}
    for number in unsafe:
        if ops[number].kind == "data":
            yield from ((everything, {number: how}) for how in ("torn", "zeros"))


def _ext4(ops: list[Op], unsafe: list[int]) -> Iterator[Choice]:
    meta = [number for number in unsafe if ops[number].kind in _META]
    data = frozenset(number for number in unsafe if ops[number].kind == "data")
    for count in range(len(meta) + 1):
        names = frozenset(meta[:count])
        flushed = _flushed(ops, names, data)
        yield names | data, {}
        yield names | flushed, {}
        for file in {ops[number].file for number in data - flushed}:
            of_it = frozenset(number for number in data - flushed if ops[number].file == file)
            yield (names | data) - of_it, {}
            yield names | data, {max(of_it): "torn"}


def _flushed(ops: list[Op], names: frozenset[int], data: frozenset[int]) -> frozenset[int]:
    """Data that a rename over another file brought to the disk."""
    over = [number for number in names if ops[number].kind == "mv" and ops[number].replaced]
    return frozenset(number for name in over for number in data if number < name and ops[number].file == ops[name].file)


def _tree(log: Log, happened: list[int], how: dict[int, str]) -> Tree:
    """Return the tree if of all changes just these took effect."""
    names = {folder: dict(inside) for folder, inside in log.names.items()}
    contents = {file: bytearray(content) for file, content in log.contents.items()}
    for number in happened:
        _apply(log.ops[number], names, contents, how.get(number, ""))
    tree: Tree = {}
    _walk(log, names, contents, 0, "", tree)
    return tree


def _apply(op: Op, names: dict[int, dict[str, int]], contents: dict[int, bytearray], how: str) -> None:
    match op.kind:
        case "add":
            names[op.folder][op.name] = op.file
        case "del":
            names[op.folder].pop(op.name, None)
        case "mv":
            if names[op.folder].get(op.name) == op.file:
                del names[op.folder][op.name]
            names[op.into][op.new_name] = op.file
        case "size":
            contents[op.file] = contents[op.file][: op.offset].ljust(op.offset, b"\0")
        case "data":
            data = {"torn": op.data[: len(op.data) // 2], "zeros": bytes(len(op.data))}.get(how, op.data)
            content = contents[op.file].ljust(op.offset, b"\0")
            content[op.offset : op.offset + len(data)] = data
            contents[op.file] = content


def _walk(
    log: Log,
    names: dict[int, dict[str, int]],
    contents: dict[int, bytearray],
    folder: int,
    prefix: str,
    tree: Tree,
) -> None:
    for name, file in names[folder].items():
        tree[prefix + name] = Node(bytes(contents[file]) if file in contents else None, log.modes[file])
        if file in names:
            _walk(log, names, contents, file, f"{prefix}{name}/", tree)
