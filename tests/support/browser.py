"""A real browser, and a page in it that may not complain."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Route,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.support.waiting import LIMIT_SECONDS, POLL_SECONDS

CHROMIUMS = ("chromium-headless-shell", "chromium")
"""Programs that will do; the first has no windows to draw and takes less of the processor."""
QUIET = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync",
]  # fmt: skip
expect.set_options(timeout=1000 * LIMIT_SECONDS)
NO_GPU = ["--disable-gpu"]
SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
VIEWPORT: ViewportSize = {"width": 900, "height": 600}


@contextmanager
def launch(options: Sequence[str] = NO_GPU) -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_find_chromium(), args=[*QUIET, *options]
        )
        yield browser
        browser.close()


def _find_chromium() -> str:
    """The path of a Chromium; the environment's CHROMIUM takes the place of those installed."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    assert found is not None, "no Chromium is installed; make test installs one"
    return found


def open_page(browser: Browser, viewport: ViewportSize = VIEWPORT, **options: Any) -> Page:
    """An empty page, which is waited for as long as a busy machine may take."""
    page = browser.new_page(viewport=viewport, **options)
    page.set_default_timeout(1000 * LIMIT_SECONDS)
    return page


@contextmanager
def open_tabs(browser: Browser, viewport: ViewportSize = VIEWPORT) -> Iterator[BrowserContext]:
    """A window with one cache, whose tabs are waited for as long as a busy machine may take."""
    context = browser.new_context(viewport=viewport)
    context.set_default_timeout(1000 * LIMIT_SECONDS)
    yield context
    context.close()


@contextmanager
def new_tab(context: BrowserContext) -> Iterator[Page]:
    """A tab of a test's own: no request, route or listener of another test is in it."""
    page = context.new_page()
    try:
        yield page
    finally:
        page.close()
        context.set_offline(False)


@contextmanager
def watch(page: Page, origin: str) -> Iterator[None]:
    """Fails where the page throws, writes errors or warnings, or asks anybody but an origin."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def check(request: Request) -> None:
        if not request.url.startswith((origin, "data:")):
            complaints.append(request.url)

    def note_thrown(error: Error) -> None:
        complaints.append(f"{error}")

    page.on("console", note)
    page.on("pageerror", note_thrown)
    page.on("request", check)
    yield
    page.remove_listener("console", note)
    page.remove_listener("pageerror", note_thrown)
    page.remove_listener("request", check)
    assert not complaints


class Held:
    """Requests that are not answered before they are let go."""

    def __init__(
        self, page: Page, pattern: str | re.Pattern[str], most: float = inf, after: int = 0
    ) -> None:
        """most: who comes after so many is answered at once. after: so are so many before them."""
        self.routes: list[Route] = []
        self._most, self._before = most, after
        page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        if self._before > 0:
            self._before -= 1
            route.continue_()
        elif len(self.routes) < self._most:
            self.routes.append(route)
        else:
            route.continue_()

    def release(self) -> None:
        """Let all go, and hold none any more."""
        self._most = 0
        for route in self.routes:
            route.continue_()


def next_frame(page: Page) -> None:
    """Wait until what was just done to the page has been drawn."""
    page.evaluate(
        "() => new Promise(done =>"
        " requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def wait_until(page: Page, condition: str) -> None:
    """As playwright's wait_for_function, which the pages' security policy refuses (eval)."""
    wait_while_it_runs(page, lambda: page.evaluate(condition), condition)


def wait_while_it_runs(
    page: Page, condition: Callable[[], object], what: str = "it did not happen"
) -> None:
    """As tests.support.waiting.wait_until, while the page and its events go on."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        page.wait_for_timeout(1000 * POLL_SECONDS)
