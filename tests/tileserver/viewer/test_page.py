"""The page itself: quick, light, of one origin, behind any prefix, with a key."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from tests.support import browser as browsers
from tests.support.server import Service, configured, serving
from tests.support.services import free_port
from tests.support.visiting import PLACE, Visit, sharpness
from tileserver.app import make_app
from tileserver.settings.server import Settings

PAINTED = """performance.getEntriesByType('paint')
    .some(({name}) => name === 'first-contentful-paint')"""
WEIGHT = """() => [performance.getEntriesByType('navigation')[0],
    ...performance.getEntriesByType('resource')]
    .filter(({name}) => !/\\.png\\?/.test(name)).map(e => [e.name, e.encodedBodySize])"""


def test_the_first_paint_waits_for_no_source_and_no_tile(browser: Browser, server: Service) -> None:
    page, held = browsers.open_page(browser), list[str]()
    for pattern in ("**/sources.json", "**/*tilejson.json*", "**/*.png?*"):
        page.route(pattern, lambda route: held.append(route.request.url))  # never answered
    Visit(page, server.url).open(f"yellowstone/20/{PLACE}", settled=False)
    browsers.wait_until(page, PAINTED)
    browsers.wait_while_it_runs(page, lambda: held, "the page asks for what it does not get")
    page.close()


def test_the_page_weighs_less_than_200_kilobytes(browser: Browser, server: Service) -> None:
    page = browsers.open_page(browser)  # whose cache is empty
    visit = Visit(page, server.url)
    visit.open(f"yellowstone/20/{PLACE}")
    weights = dict(page.evaluate(WEIGHT))
    assert {urlsplit(url).path for url in weights} >= {"/", "/viewer/viewer.js", "/sources.json"}
    assert 50_000 < sum(weights.values()) <= 200_000
    page.close()


@pytest.mark.parametrize("name", ["viewer.js", "viewer.css", "swagger-ui-bundle.js"])
def test_scripts_and_styles_are_sent_compressed_to_whoever_takes_it(
    server: Service, name: str
) -> None:
    packed = server.get(f"/viewer/{name}", **{"Accept-Encoding": "gzip, br"})
    plain = server.get(f"/viewer/{name}", **{"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content, "httpx unpacks"
    assert int(packed.headers["content-length"]) < 0.45 * int(plain.headers["content-length"])
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (packed, plain):
        assert "Accept-Encoding" in answer.headers["vary"]
        assert answer.headers["cache-control"] == "no-cache"
    again = server.get(
        f"/viewer/{name}", **{"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]}
    )
    assert again.status_code == 304


def test_tiles_and_icons_are_not_compressed_again(server: Service) -> None:
    for path in ("/yellowstone/19/101007/188690.png", "/viewer/icon.svg"):
        answer = server.get(path, **{"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers


def test_nothing_but_what_pages_are_made_of_is_served(server: Service) -> None:
    for path in ("package.json", "src/main.js", "node_modules/ol/package.json", "../app.py"):
        assert server.get(f"/viewer/{path}").status_code == 404


def test_the_policy_of_pages_allows_nothing_inline_and_nobody_else(server: Service) -> None:
    policy = server.get("/").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'self';" in policy


def test_the_page_is_told_of_a_basemap_only_where_one_is_configured(
    app_settings: Callable[..., Settings],
) -> None:
    basemap = {"url": "https://a.example/{z}/{x}/{y}.png", "attribution": "Them", "maxzoom": 18}
    plain, based = (TestClient(make_app(app_settings(basemap=one))) for one in (None, basemap))
    assert plain.get("/viewer.json").json() == {"basemap": None, "map_side_px": 4096}
    assert based.get("/viewer.json").json()["basemap"] == basemap
    assert "img-src 'self' data:;" in plain.get("/").headers["content-security-policy"]
    assert "a.example" in based.get("/").headers["content-security-policy"]


class Forwarding(BaseHTTPRequestHandler):
    """A proxy that serves another server below /sr/."""

    target = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answer = httpx.get(
            f"{self.target}{self.path.removeprefix('/sr')}", headers=dict(self.headers), timeout=60
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in ("content-encoding", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxy(port: int, target: str) -> Iterator[None]:
    handler = type("Proxy", (Forwarding,), {"target": target})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as listener:
        thread = Thread(target=listener.serve_forever)
        thread.start()
        yield
        listener.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def keyed(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A server that wants a key, and the address of a proxy before it."""
    folder, port = tmp_path_factory.mktemp("keyed"), free_port()
    sha256 = hashlib.sha256(b"a key").hexdigest()
    public = f"http://127.0.0.1:{port}/sr"
    access = {"keys": {"somebody": {"sha256": sha256}}}
    settings = configured(config, folder, access=access, public_url=public)
    with (
        serving(settings, folder / "cache") as server,
        proxy(port, server.url),
    ):
        yield server, public


@pytest.mark.slow
def test_behind_a_prefix_everything_is_below_it_and_carries_the_key(
    browser: Browser, keyed: tuple[Service, str]
) -> None:
    _, public = keyed
    page = browsers.open_page(browser, {"width": 320, "height": 480})
    visit = Visit(page, public)
    with browsers.watch(page, public):
        visit.open(f"yellowstone/20/{PLACE}?mode=single", query="?key=a%20key")
        assert sharpness(visit.ground()) > 2
        page.locator("#open-share").click()
        assert "key" not in page.locator("#share-link").input_value()
        page.get_by_label("with your API key in it").check()
        assert page.locator("#share-link").input_value() == page.url
    asked = [r.url for r in visit.requests if "/viewer/" not in r.url and "data:" not in r.url]
    assert len(asked) > 8
    assert all("key=a" in url for url in asked)
    page.close()


@pytest.mark.slow
def test_snippets_hold_the_key_only_where_it_is_asked_for(
    browser: Browser, keyed: tuple[Service, str]
) -> None:
    _, public = keyed
    page = browsers.open_page(browser)
    visit, snippets = Visit(page, public), page.locator("#embed-list")
    with browsers.watch(page, public):
        visit.open(f"yellowstone/19/{PLACE}?mode=single", query="?key=a%20key")
        page.locator("#open-embed").click()
        expect(snippets).to_contain_text(f"{public}/yellowstone/")
        assert "key=" not in (snippets.text_content() or "")
        page.get_by_label("with your API key in them").check()
        expect(snippets).to_contain_text("key=a%20key")
    page.close()


@pytest.mark.slow
def test_tiles_at_a_public_address_are_allowed_to_pages_opened_elsewhere(
    browser: Browser, keyed: tuple[Service, str]
) -> None:
    server, public = keyed
    page = browsers.open_page(browser, {"width": 320, "height": 480})
    visit, complaints = Visit(page, server.url), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    visit.open(f"yellowstone/20/{PLACE}?mode=single", query="?key=a%20key")
    assert sharpness(visit.ground()) > 2
    assert all(url.startswith(public) for url in visit.tiles())
    assert not complaints
    page.close()


def test_without_a_key_the_page_says_what_is_needed(
    browser: Browser, keyed: tuple[Service, str]
) -> None:
    server, _ = keyed
    page = browsers.open_page(browser)
    page.goto(f"{server.url}/")
    expect(page.get_by_role("alert")).to_contain_text("Is an API key missing?")
    page.close()


def test_compressed_files_hold_what_they_are_compressed_of() -> None:
    vendor = Path(__file__).parents[3] / "tileserver" / "viewer" / "vendor"
    packed = sorted(vendor.glob("*.gz"))
    assert len(packed) >= 5
    for path in packed:
        assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()
