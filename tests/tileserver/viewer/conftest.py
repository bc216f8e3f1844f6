"""One browser for all tests of the page, one tab a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support import browser as browsers
from tests.support.server import Service
from tests.support.visiting import HEIGHT, WIDTH, Visit


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsers.launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browsers.open_page(browser)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    yield page
    page.close()


@pytest.fixture
def visit(page: Page, server: Service) -> Iterator[Visit]:
    """The page of the demo scene: no console errors, nothing refused, nothing from elsewhere."""
    visit = Visit(page, server.url)
    with browsers.watch(page, server.url):
        yield visit
    visit.close()
