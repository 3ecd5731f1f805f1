"""Entry of the `sg-hybrid` command and of `python -m sg_hybrid`."""

from __future__ import annotations

import sys

from sg_coach.streams import open_streams


def main() -> None:
    """Run the command line and end the process with its exit code. Ctrl-C ends it with 130, however early it comes."""
    try:
        _run()
    except KeyboardInterrupt:  # while modules are loaded; of a command that runs the command line takes care
        sys.exit(130)


def _run() -> None:
    # structlog would load rich, for tracebacks that we do not show: a fifth of a start. `cli.output` lets it in again.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    open_streams("backslashreplace")
    try:
        from .cli.app import app
        from .cli.ending import ignore_signals, own_process
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("sg_hybrid", "sg_coach")):
            raise
        sys.stderr.write(f"ERROR: the package {error.name} is not installed; pip install 'sg-hybrid[worker]'\n")
        sys.exit(1)
    own_process()
    try:
        app()
    finally:
        ignore_signals()


if __name__ == "__main__":
    main()
