"""What `sg-hybrid demo` does to a queue that somebody uses. (The demo itself is played by `test_artefacts`.)"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sg_hybrid import demo
from sg_hybrid.switch import Mode, read_mode, set_mode


@pytest.mark.parametrize("mode", ["off", "on", "auto"])
async def test_the_players_switch_is_as_it_was_however_the_demo_ends(
    tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "queue"
    set_mode(queue, mode, datetime.now(UTC))
    meanwhile: list[Mode] = []

    async def interrupted(stage: demo.Stage) -> bool:
        meanwhile.append(read_mode(stage.queue))
        raise InterruptedError

    monkeypatch.setattr(demo, "_show", interrupted)
    with pytest.raises(InterruptedError):
        await demo.run_demo(lambda _line: None, bundle_root=tmp_path / "bundles", queue_dir=queue)
    assert meanwhile == ["auto"]
    assert read_mode(queue) == mode
