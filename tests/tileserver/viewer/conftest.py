"""One browser for all tests of the page, one tab a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests import browser as browsers
from tests.tileserver.conftest import Server
from tests.tileserver.viewer.visiting import HEIGHT, WIDTH, Visit


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsers.launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browsers.opened(browser)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    yield page
    page.close()


@pytest.fixture
def visit(page: Page, server: Server) -> Iterator[Visit]:
    """The page of the demo scene: no console errors, nothing refused, nothing from elsewhere."""
    visit = Visit(page, server.url)
    with browsers.watched(page, server.url):
        yield visit
    visit.close()
