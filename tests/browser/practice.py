"""The practice page as somebody uses it: everything is found by its role and name, as a screen reader would."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, Request, expect

from .world import World, wait_for

SPIES = Path(__file__).with_name("spies.js")


NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def chromium() -> str | None:
    """The machine's browser, if it has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """The machine's browser, running."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS, *sandbox])
    try:
        yield browser
    finally:
        browser.close()


class Watch:
    """Sees all that a page does that it must not do."""

    def __init__(self, page: Page, host: str) -> None:
        self.wrong: list[str] = []
        self._host = host
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"error in the page: {error}"))

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self._host:
            self.wrong.append(f"request to another host: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def expect(self, text: str) -> None:
        """This complaint was to come; the others stay wrong."""
        assert any(text in wrong for wrong in self.wrong), f"nobody complained of {text!r}"
        self.wrong = [wrong for wrong in self.wrong if text not in wrong]


class Practice:
    """The page, opened in a browser. `watch` sees what it must not do."""

    def __init__(self, page: Page, url: str, watch: Watch) -> None:
        self.page, self.url, self.watch = page, url, watch
        self.hint = page.get_by_role("article", name="The coach's hint")
        self.ai_tip = page.get_by_role("complementary", name="AI tip", exact=True)
        self.queued_tip = page.get_by_role("complementary", name="AI tip: From your last take")
        self.chart = page.get_by_role("list", name="Chart")
        self.chords = page.get_by_label("Chords", exact=True)
        self.status = page.get_by_role("status").first
        self.make_button = self.button("Make the clip")
        self.play_button = self.button("Play")
        self.stop_button = self.button("Stop")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def open(self) -> Practice:
        self.page.goto(self.url)
        expect(self.page.get_by_label("Style").get_by_role("option")).not_to_have_count(0)
        return self

    def begin_anew(self) -> None:
        """As in a new tab of a new browser (only quicker)."""
        self.page.unroute_all(behavior="ignoreErrors")
        self.page.goto(urljoin(self.url, "/static/icon.svg"))  # whatever the page still does, it keeps nothing any more
        self.page.evaluate("sessionStorage.clear(); localStorage.clear()")
        self.open()

    def make(self, chords: str, *, tempo: int = 240, bars: int = 2, style: str = "swing", meter: str = "4/4") -> str:
        """Ask for a clip; return its id."""
        self.fill(chords, tempo=tempo, bars=bars, style=style, meter=meter)
        with self.page.expect_response("**/notes") as notes:
            self.make_button.click()
        expect(self.play_button).to_be_visible()
        return str(notes.value.json()["clip_id"])

    def fill(self, chords: str, *, tempo: int = 240, bars: int = 2, style: str = "swing", meter: str = "4/4") -> None:
        if not self.chords.is_visible():
            self.page.get_by_text("Play over").click()
        self.chords.fill(chords)
        self.page.get_by_label("Style").select_option(style)
        self.page.get_by_label("Tempo").fill(str(tempo))
        self.page.get_by_label("Bars", exact=True).fill(str(bars))
        self.page.get_by_label("Meter").select_option(meter)

    def drop(self, content: bytes, name: str = "take.mid") -> None:
        """Drop a file onto the page, as from a file manager."""
        transfer = self.page.evaluate_handle(
            """([bytes, name]) => {
                const transfer = new DataTransfer();
                const content = Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0));
                transfer.items.add(new File([content], name, { type: "audio/midi" }));
                return transfer;
            }""",
            [base64.b64encode(content).decode(), name],
        )
        self.page.dispatch_event("body", "drop", {"dataTransfer": transfer})

    def lit(self) -> list[str]:
        """The chords that are lit now."""
        return self.chart.locator("[aria-current=true]").all_inner_texts()

    def wait_until(self, expression: str, within_s: float = 10.0) -> None:
        """Wait for a condition in the page (Playwright's own waiting would need the page's leave to `eval`)."""
        wait_for(lambda: self.page.evaluate(expression), expression, within_s)

    def voices(self) -> list[dict[str, Any]]:
        """Every voice that was started: kind, start, stop (audio clock), ended."""
        found: list[dict[str, Any]] = self.page.evaluate("audio.voices")
        return found


Visit = Callable[..., Practice]
"""`visit(world, **options of the browser)` opens the page."""


@contextmanager
def opened(context: BrowserContext, world: World) -> Iterator[Practice]:
    """Open the page in a tab of its own; at the end it may have done nothing that it must not do."""
    page = context.new_page()
    practice = Practice(page, world.url, Watch(page, urlsplit(world.url).netloc))
    try:
        yield practice.open()
    finally:
        page.close()
    assert practice.watch.wrong == []


def prepared(browser: Browser, **options: Any) -> BrowserContext:
    """A context of the browser with our spies in it."""
    context = browser.new_context(**options)
    context.set_default_timeout(15_000)
    context.add_init_script(path=SPIES)
    return context


@contextmanager
def open_pages(browser: Browser) -> Iterator[Visit]:
    """Open pages, each in a context of its own."""
    with ExitStack() as stack:

        def visit(world: World, **options: Any) -> Practice:
            context = prepared(browser, **options)
            stack.callback(context.close)
            return stack.enter_context(opened(context, world))

        yield visit
