"""What the intake expects of whoever watches folders for it: the kernel's events, a portable library, or nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, Self

import anyio

from .layout import Kind, Root


class Sink(Protocol):
    """Who is told. All but `answer` and `accept` on the event loop; none of those waits, or touches a disk."""

    def takes(self, bundles: Iterable[str]) -> None:
        """The take (`session.json` or `take.mid`) of these bundles is new."""
        ...

    def accept(self, bundle: str) -> bool:
        """Whether the take of this bundle, which alone is new, may be answered in the thread that noticed it.

        Does not block. After True it has to be answered.
        """
        ...

    def answer(self, bundle: str) -> bool:
        """The take of one bundle is new, and nothing else is. Called in the thread that noticed it, which may block.

        Returns False if the take has to come by `takes`. After True, tell of it by `answered`.
        """
        ...

    def answered(self, bundle: str) -> None:
        """A take was answered at once."""
        ...

    def folders(self, paths: Iterable[str]) -> None:
        """These folders are new, or changed: look into them."""
        ...

    def lost(self) -> None:
        """Something may have been missed: look at everything."""
        ...


class Watcher(Protocol):
    """Whoever watches; a context manager around `run`."""

    @property
    def blind(self) -> bool:
        """Whether some folders are not watched, so that rescans have to be frequent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def enter(self, path: str, kind: Kind) -> None:
        """Watch a folder from now on. Called in threads."""
        ...

    def keep(self, folders: Iterable[str]) -> None:
        """Bundles that stand in none of these folders need no watching any more. Called in threads."""
        ...

    def tidy(self) -> None:
        """Folders that moved away need no watching any more. Called in threads."""
        ...

    def follow(self, roots: Sequence[Root]) -> None:
        """These roots are there now."""
        ...

    async def run(self, sink: Sink) -> None:
        """Tell `sink` what happens, until cancelled."""
        ...


class NobodyWatches:
    """A watcher for machines that give us none: rescans have to do."""

    blind = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def enter(self, path: str, kind: Kind) -> None:
        """Do nothing."""

    def keep(self, folders: Iterable[str]) -> None:
        """Do nothing."""

    def tidy(self) -> None:
        """Do nothing."""

    def follow(self, roots: Sequence[Root]) -> None:
        """Do nothing."""

    async def run(self, sink: Sink) -> None:  # noqa: ARG002 - there is nothing to tell
        """Wait to be cancelled."""
        await anyio.sleep_forever()
