"""Entry of the `sgc` command and of `python -m sg_coach`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code. Ctrl-C ends it with 130, however early it comes."""
    try:
        from .cli import main as run

        code = run()
    except KeyboardInterrupt:  # while modules are loaded; of a command that runs the command line takes care
        sys.stderr.write("ERROR: interrupted\n")
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
