"""Takes that were refused, and when they are worth another try: when a file beside them changes. In memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

MOST_REFUSED: Final = 256
"""Refused takes whose bundles are looked at for a correction; of more, the one that was refused first is forgotten."""


class Refusals:
    """Bundles whose take was refused, and what stood beside it before that: None if nobody looked then."""

    def __init__(self) -> None:
        self._beside: dict[str, int | None] = {}
        self._tried_again: dict[str, int] = {}
        """Those that were brought again last, and what stood beside their takes then."""

    def note(self, bundle: str) -> None:
        """A take was refused.

        Unless it was brought again, nobody knows what its cycle found beside it: a correction may have come since. So
        it is worth one more try whatever stands there.
        """
        self._beside[bundle] = self._tried_again.pop(bundle, None)
        if len(self._beside) > MOST_REFUSED:
            self._beside.pop(next(iter(self.beside())), None)  # of a copy: another thread may forget one meanwhile

    def forget(self, bundle: str) -> None:
        """Another take stands there, or the same one anew: what was is over. Safe in any thread."""
        self._beside.pop(bundle, None)

    def beside(self) -> Mapping[str, int | None]:
        """Return what stood beside each refused take."""
        return self._beside.copy()

    def bring_again(self, corrected: Mapping[str, int]) -> Iterable[str]:
        """Return those of these bundles, and what stands beside their takes now, that are still refused."""
        self._tried_again = {bundle: beside for bundle, beside in corrected.items() if bundle in self._beside}
        for bundle in self._tried_again:
            self._beside.pop(bundle, None)  # another thread may have forgotten it meanwhile
        return list(self._tried_again)
