"""Draw the two pictures of docs/practice-page.md: a real evening on the page, with the simulated AI.

python scripts/page_screenshots.py [--out DIR]

Needs a Chromium (scripts/browser.sh).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import expect, sync_playwright  # noqa: E402 - the repository's root has to be importable first

from tests.browser.practice import Practice, Visit, launched, open_pages  # noqa: E402
from tests.browser.takes import played  # noqa: E402
from tests.browser.world import World, wait_for  # noqa: E402

CHORDS = "Dm7 | G7 | Cmaj7 | A7b9 | Dm7 G7 | Em7 A7 | Dm7 G7 | C6/9"
UNEVEN_S = (0.09, 0.05, 0.06, 0.02)
"""How uneven the takes of the evening are: a player who gets better."""


def evening(practice: Practice, world: World) -> None:
    """Some takes in one session; the last one with an AI tip beside it."""
    for number, uneven in enumerate(UNEVEN_S):
        clip = practice.make(CHORDS, tempo=120, bars=8)
        practice.drop(played(world, clip, uneven_s=uneven, seed=number))
        expect(practice.hint).to_be_visible()
        expect(practice.page.get_by_role("img", name="Last" if number else "One take")).to_be_visible()
    expect(practice.ai_tip).to_be_visible()
    practice.page.wait_for_timeout(500)


def desk(visit: Visit, world: World, target: Path) -> None:
    practice = visit(world, viewport={"width": 1180, "height": 800}, color_scheme="light")
    practice.make(CHORDS, tempo=120, bars=8)
    wait_for(lambda: len(list(world.home.glob("queue/prepared/*"))) >= 9, "prepared tips")
    evening(practice, world)
    practice.page.screenshot(path=target, full_page=True)


def phone(visit: Visit, world: World, target: Path) -> None:
    practice = visit(world, viewport={"width": 390, "height": 780}, color_scheme="dark")
    practice.make(CHORDS, tempo=120, bars=8)
    practice.button("Count-in").click()
    practice.play_button.click()
    expect(practice.page.get_by_text("Bar 3 of 8")).to_be_visible()
    practice.page.screenshot(path=target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/practice-page.md.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder for the pictures")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        world = World(Path(home))
        try:
            world.generator()
            world.worker("published")
            with launched(playwright) as browser, open_pages(browser) as visit:
                desk(visit, world, out / "practice-page.png")
                phone(visit, world, out / "practice-page-phone.png")
        finally:
            world.stop()


if __name__ == "__main__":
    main()
