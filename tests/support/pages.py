"""Pages of another origin that use the service, and what comes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    Route,
)

from tests.support.browser import VIEWPORT

CLIENTS = Path(__file__).parents[1] / "clients"
LIBRARIES = CLIENTS / "node_modules"
CDN = re.compile(r"https://unpkg\.com/((?:@[\w-]+/)?[\w-]+)@([\d.]+)/([^?]+)(?:\?.*)?")
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Site:
    """A folder that is served from an origin of its own."""

    folder: Path
    url: str

    def page(self, name: str, text: str) -> str:
        """The address of a page with this text."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return f"{self.url}/{name}"


def library_file(url: str) -> Path | None:
    """The installed file that a CDN serves at an address, if that version is installed."""
    match = CDN.fullmatch(url)
    if match is None:
        return None
    name, version, path = match.groups()
    package = (LIBRARIES / name / "package.json").read_text(encoding="utf-8")
    return LIBRARIES / name / path if f'"version": "{version}"' in package else None


def answer_as_cdn(route: Route) -> None:
    """An installed library's file in place of the CDN's; nothing else is reached."""
    file = library_file(route.request.url)
    if file is None:
        route.abort()
        return
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": MEDIA_TYPES[file.suffix]}
    route.fulfill(path=file, headers=headers)


def answer_as_folium_s_cdns(route: Route) -> None:
    """folium's pages load much for markers; only Leaflet is needed to show tiles."""
    file = LIBRARIES / "leaflet" / "dist" / route.request.url.rpartition("/")[2]
    if file.exists():
        route.fulfill(path=file)
    else:
        kind = MEDIA_TYPES["." + route.request.url.rpartition(".")[2]]
        route.fulfill(body="", content_type=kind)


@dataclass
class Visit:
    """A page, the tiles that it got, and all that went wrong in it."""

    page: Page
    tiles: list[Response] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    open_requests: set[Request] = field(default_factory=set)

    def zooms(self, source: str = "yellowstone") -> set[int]:
        """The zooms of the tiles that came."""
        found = (re.search(rf"/{source}/(?:.*/)?(\d+)/\d+/\d+\.", t.url) for t in self.tiles)
        return {int(match[1]) for match in found if match}


@contextmanager
def visiting(browser: Browser) -> Iterator[Visit]:
    """A page in which nothing may fail, with a CDN that has the installed libraries.

    Whoever looks at another page leaves this one first: a page that is closed asks for nothing.
    """
    context = browser.new_context(viewport=VIEWPORT)
    try:
        visit = visit_in(context)
        yield visit
        complaints = [*visit.complaints]  # what closing breaks off is no failure
    finally:
        context.close()
    assert not complaints


def visit_in(context: BrowserContext) -> Visit:
    context.route(re.compile(r"^https://"), answer_as_cdn)
    visit = Visit(context.new_page())

    def answered(response: Response) -> None:
        if response.status >= 400:
            visit.complaints.append(f"{response.status} {response.url}")
        elif response.request.resource_type in ("image", "fetch", "xhr"):
            visit.tiles.append(response)

    def asked(request: Request) -> None:
        visit.open_requests.add(request)

    def ended(request: Request) -> None:
        visit.open_requests.discard(request)

    def failed(request: Request) -> None:
        ended(request)
        visit.complaints.append(f"failed {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(message.text)

    page = visit.page
    page.set_default_timeout(120_000)
    page.on("response", answered)
    page.on("console", said)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("request", asked)
    page.on("requestfinished", ended)
    page.on("requestfailed", failed)
    return visit
