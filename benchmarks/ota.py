"""Bundles against `sha256sum` and a copy of the same bytes, and how much memory a large attachment takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks._scratch import scratch
from benchmarks.table import Row, at_most, below, known, medians
from sg_coach import (
    BundleBuildResult,
    build_assignment_ota_bundle,
    evaluate_session,
    plan_assignment,
    session_from,
    verify_assignment_ota_bundle,
    verify_assignment_ota_zip,
)

SESSION = Path(__file__).parents[1] / "fixtures" / "golden" / "golden_vector_session.json"
MIB = 1024 * 1024
RUNS = 5

PEAK = """
import json, sys
from pathlib import Path
from sg_coach import *
session = session_from(json.loads(Path(sys.argv[1]).read_bytes()))
built = build_assignment_ota_bundle(
    assignment=plan_assignment(session=session, eval=evaluate_session(session)),
    out_dir=Path(sys.argv[2]), attachments=[("large", Path(sys.argv[3]))],
)
verify_assignment_ota_bundle(built.bundle_dir)
verify_assignment_ota_zip(built.zip_path)
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the parent's memory before exec
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
"""


def run() -> list[Row]:
    with scratch("ota") as folder:
        return [*_speed(folder), _memory(folder)]


def _speed(folder: Path) -> list[Row]:
    source = _random_file(folder / "source", 100)
    built = _build(folder, source, make_zip=True)
    assert built.zip_path

    def sum_and_copies(copies: int) -> None:
        sum_alone()
        for number in range(copies):
            copy = folder / f"copy{number}"
            copy.unlink(missing_ok=True)
            subprocess.run(["cp", source, copy], check=True)
            subprocess.run(["sync", copy], check=True)  # a bundle is on the disk, too, when it is done

    def sum_alone() -> None:
        subprocess.run(["sha256sum", source], check=True, stdout=subprocess.DEVNULL)

    once, twice, summed, folder_only, with_zip, checked, zip_checked = medians(
        RUNS,
        lambda: sum_and_copies(1),
        lambda: sum_and_copies(2),
        sum_alone,
        lambda: _build(folder, source, make_zip=False),
        lambda: _build(folder, source, make_zip=True),
        lambda: verify_assignment_ota_bundle(built.bundle_dir),
        lambda: verify_assignment_ota_zip(_zip_of(built)),
    )
    one_copy, two_copies = "sha256sum + cp + sync", "sha256sum + 2 × (cp + sync)"
    return [
        at_most("build a folder, 100 MiB attached", folder_only, "s", one_copy, once, 1.5),
        at_most("build a folder and its zip, 100 MiB", with_zip, "s", two_copies, twice, 1.5),
        at_most("verify a folder, 100 MiB", checked, "s", one_copy, once, 1.5),
        at_most("verify a zip, 100 MiB", zip_checked, "s", one_copy, once, 1.5),
        known("verify a folder, 100 MiB", checked, "s", "sha256sum", summed),
        known("verify a zip, 100 MiB", zip_checked, "s", "sha256sum", summed),
    ]


def _memory(folder: Path) -> Row:
    source = _random_file(folder / "large", 200)
    command = [sys.executable, "-c", PEAK, str(SESSION), str(folder / "memory"), str(source)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    peak = int(ran.stdout) / 1024
    return below("peak memory: build, zip, verify both, 200 MiB", peak, "MiB", 60)


def _build(folder: Path, source: Path, *, make_zip: bool) -> BundleBuildResult:
    session = session_from(json.loads(SESSION.read_bytes()))
    return build_assignment_ota_bundle(
        assignment=plan_assignment(session=session, eval=evaluate_session(session)),
        out_dir=folder / ("zipped" if make_zip else "plain"),
        attachments=[("large", source)],
        make_zip=make_zip,
        force=True,
    )


def _zip_of(built: BundleBuildResult) -> Path:
    assert built.zip_path
    return built.zip_path


def _random_file(path: Path, mib: int) -> Path:
    with Path("/dev/urandom").open("rb") as noise, path.open("wb") as file:
        for _ in range(mib):
            file.write(noise.read(MIB))
    return path
