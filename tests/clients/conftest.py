"""Real clients against a real server, in pages of another origin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import rasterio
from playwright.sync_api import Browser

from tests.support import browser as browsers
from tests.support.pages import Quiet, Site, Visit, visiting


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty site."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "favicon.ico").touch()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as listener:
        thread = Thread(target=listener.serve_forever)
        thread.start()
        yield Site(folder, f"http://localhost:{listener.server_port}")
        listener.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.launch(browsers.SOFTWARE_WEBGL) as browser:
        yield browser


@pytest.fixture
def no_old_tiles(tmp_path: Path) -> Iterator[None]:
    """GDAL's drivers keep tiles in the working folder otherwise."""
    with rasterio.Env(GDAL_DEFAULT_WMS_CACHE_PATH=str(tmp_path)):
        yield


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A page in which nothing may fail, with a CDN that has the installed libraries."""
    with visiting(browser) as visit:
        yield visit
