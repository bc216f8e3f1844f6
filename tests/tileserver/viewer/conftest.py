"""One browser for all tests of the page, one cache a file, one tab a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support import browser as browsers
from tests.support.server import Service
from tests.support.visiting import HEIGHT, WIDTH, Visit


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsers.launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    with browsers.open_tabs(browser, {"width": WIDTH, "height": HEIGHT}) as tabs:
        yield tabs


@pytest.fixture
def page(tabs: BrowserContext) -> Iterator[Page]:
    with browsers.new_tab(tabs) as page:
        yield page


@pytest.fixture
def visit(page: Page, server: Service) -> Iterator[Visit]:
    """The page of the demo scene: no console errors, nothing refused, nothing from elsewhere."""
    visit = Visit(page, server.url)
    with browsers.watch(page, server.url):
        yield visit
    visit.close()
