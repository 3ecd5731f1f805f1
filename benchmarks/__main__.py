"""python -m benchmarks [NAME…]: run all benchmarks, or those named; print one table, write JSON for each.

A benchmark is a module of this folder with `run() -> list[Row]`; a name with a leading underscore is a helper. A
missed goal is a result and no error: it stands in the table.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence

import benchmarks
from benchmarks.table import Row, print_table, write_json

TOOLS = {"table"}


def names() -> list[str]:
    """Every benchmark of the folder."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return sorted(name for name in found if name not in TOOLS and not name.startswith("_"))


def main(argv: Sequence[str]) -> int:
    unknown = sorted(set(argv) - set(names()))
    if unknown:
        print(f"ERROR: no such benchmark: {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in argv or names():
        print(f"{name} …", file=sys.stderr, flush=True)
        found: list[Row] = importlib.import_module(f"benchmarks.{name}").run()
        write_json(name, found)
        rows += found
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
