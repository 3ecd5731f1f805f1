"""The engine behind its seam: the module that SG_ENGINE names, with a function `arrange`. Blocking.

It is imported at the first clip, in a worker thread, so that the server is up whether or not there is music to make;
one that cannot be imported is tried again at the next clip.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable

import structlog

from sg_coach.__about__ import __version__
from sg_coach.errors import CoachError
from sg_coach.untrusted import shown

from .errors import EngineUnavailable, GeneratorError
from .models import Arrangement, ClipRequest

_log = structlog.get_logger(__name__)
Arrange = Callable[[ClipRequest], Arrangement]


class Engine:
    """A module by its name; safe from several threads.

    A module says its own `ENGINE_VERSION`; for one that says none, or is not loaded yet, the program's stands in.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        self._lock = threading.Lock()
        self._arrange: Arrange | None = None

    def arrange(self, request: ClipRequest) -> Arrangement:
        """Return what is played for a request.

        Raises EngineUnavailable, and GeneratorError for what the engine refuses or stumbles on.
        """
        arrange = self._loaded()
        try:
            return arrange(request)
        except (GeneratorError, CoachError):
            raise
        except (Exception, SystemExit) as error:  # an engine ends neither the server nor the request without an answer
            _log.error("engine_failed", engine=self.module, exc_info=error)
            problem = f"{type(error).__name__}: {shown(str(error), 200)}"
            raise GeneratorError(f"the engine {self.module} failed ({problem})") from error

    @property
    def version(self) -> str:
        """The engine's name and version, for `clip.runlog.json`."""
        return f"{self.module}@{shown(str(getattr(sys.modules.get(self.module), 'ENGINE_VERSION', __version__)), 40)}"

    def is_available(self) -> bool:
        """Whether the module can be imported."""
        try:
            self._loaded()
        except EngineUnavailable:
            return False
        return True

    def _loaded(self) -> Arrange:
        with self._lock:
            if self._arrange is None:
                self._arrange = _imported(self.module)
            return self._arrange


def _imported(module: str) -> Arrange:
    try:
        found = getattr(importlib.import_module(module), "arrange", None)
    except (Exception, SystemExit) as error:
        problem = f"{type(error).__name__}: {shown(str(error), 200)}"
        raise EngineUnavailable(f"the engine {module} cannot be imported ({problem}); check SG_ENGINE") from error
    if not callable(found):
        raise EngineUnavailable(f"the engine {module} has no function `arrange`; check SG_ENGINE")
    arrange: Arrange = found
    return arrange
