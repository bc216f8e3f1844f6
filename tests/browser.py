"""A real browser, and a page in it that may not complain."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync",
]  # fmt: skip
expect.set_options(timeout=30_000)  # for busy machines: nothing here has to fail sooner
NO_GPU = ["--disable-gpu"]
SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
VIEWPORT = {"width": 900, "height": 600}


@contextmanager
def launched(options: Sequence[str] = NO_GPU) -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", CHROMIUM)
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET, *options])
        yield browser
        browser.close()


def opened(browser: Browser, timeout_seconds: float = 60) -> Page:
    """An empty page of 900 x 600 px."""
    page = browser.new_page(viewport=VIEWPORT)
    page.set_default_timeout(1000 * timeout_seconds)
    return page


@contextmanager
def watched(page: Page, origin: str) -> Iterator[None]:
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


def next_frame(page: Page) -> None:
    """Wait until what was just done to the page has been drawn."""
    page.evaluate(
        "() => new Promise(done =>"
        " requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def wait_until(page: Page, condition: str, seconds: float = 60) -> None:
    """As playwright's wait_for_function, which the pages' security policy refuses (eval)."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)
