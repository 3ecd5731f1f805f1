"""A real Chromium, and the programs that the page talks to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from .practice import Practice, Visit, chromium, launched, open_pages, opened, prepared
from .world import World


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; Playwright downloads none."""
    if chromium() is None:
        pytest.skip("no Chromium is installed (scripts/browser.sh does it)")
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture(scope="package")
def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A generator, a worker, and an AI whose live replies come too late but whose prepared tips are there."""
    world = World(tmp_path_factory.mktemp("world"))
    try:
        world.generator()
        world.worker("published", AI_COACH_DAILY_CALLS="10000", AI_COACH_DAILY_TOKENS="100000000")
        yield world
    finally:
        world.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open the page of a world, in a browser of its own; no page may go to another host, or complain."""
    with open_pages(browser) as visit:
        yield visit


@pytest.fixture(scope="package")
def desk(browser: Browser) -> Iterator[BrowserContext]:
    """A browser window at a desk."""
    context = prepared(browser, viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def practice(desk: BrowserContext, world: World) -> Iterator[Practice]:
    """The page, open at a desk, in a new tab: a session of its own."""
    with opened(desk, world) as practice:
        practice.page.evaluate("localStorage.clear()")
        yield practice
