"""How soon a worker ends when it is told to, wherever it is."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

from .cli import Cli

LOADING_S = 30.0
"""How long the made-up SDK takes to load: a small machine that is busy."""

PATIENCE_S = 15.0


def test_an_end_does_not_wait_for_the_sdk_to_load(cli: Cli, tmp_path: Path) -> None:
    sdk = tmp_path / "packages" / "anthropic"
    sdk.mkdir(parents=True)
    (sdk / "__init__.py").write_text(
        f"import pathlib, time\npathlib.Path({str(tmp_path / 'loading')!r}).touch()\ntime.sleep({LOADING_S})\n"
    )
    env = {"AI_COACH_ENABLED": "true", "ANTHROPIC_API_KEY": "some-key", "PYTHONPATH": str(sdk.parent)}
    worker = cli.start("run", env=env)
    try:
        assert worker.stderr is not None
        assert any(json.loads(line)["event"] == "ready" for line in worker.stderr)
        until = time.monotonic() + PATIENCE_S
        while not (tmp_path / "loading").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_S) == 0
    except subprocess.TimeoutExpired as error:
        raise AssertionError("the end waited for the SDK") from error
    finally:
        worker.kill()
        worker.communicate()
