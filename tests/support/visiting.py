"""A person before the page: what they see, and what their browser asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image
from playwright.sync_api import Page, Request

from tests.support.browser import next_frame, wait_until

LATITUDE, LONGITUDE = 44.955993, -110.643554
PLACE = f"{LATITUDE}/{LONGITUDE}"
NATIVE, DEEPEST = 19, 22
WIDTH, HEIGHT = 640, 480
MIDDLE = np.s_[HEIGHT // 4 : 3 * HEIGHT // 4, WIDTH // 4 : 3 * WIDTH // 4]
SETTLED = "document.getElementById('map').getAttribute('aria-busy') === 'false'"


def on_whole_pixels(zoom: int) -> str:
    """A place near the middle of the scene at the corner of four pixels of a zoom."""
    world = 256 * 2**zoom
    latitude = np.radians(LATITUDE)
    x = round((LONGITUDE + 180) / 360 * world)
    y = round((1 - np.arcsinh(np.tan(latitude)) / np.pi) / 2 * world)
    latitude = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * y / world))))
    return f"{latitude:.9f}/{x / world * 360 - 180:.9f}"


@dataclass
class Visit:
    """The page at /, and the requests since it was opened."""

    page: Page
    url: str
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def close(self) -> None:
        self.page.remove_listener("request", self._note)

    def open(self, view: str = "", query: str = "", *, settled: bool = True) -> None:
        """A fresh page at a view, as somebody who was sent a link opens it."""
        self.page.goto("about:blank")
        self.requests.clear()
        self.page.goto(f"{self.url}/{query}{'#' if view else ''}{view}")
        if settled:
            self.settle()

    def settle(self) -> None:
        """Wait until everything that is looked at is drawn, faded in, and stands still."""
        next_frame(self.page)
        wait_until(self.page, SETTLED)

    @property
    def zoom(self) -> int:
        return int(self.page.url.split("#")[1].split("/")[1])

    @property
    def to_come(self) -> int:
        """Tiles that are looked at and not there, as the badge says."""
        said = re.search(r"rawing (\d+) tile", self.text("progress"))
        return int(said[1]) if said else 0

    def zoomed(self, zoom: int) -> None:
        """Wait until the map stands at a zoom, whole."""
        wait_until(self.page, f"location.hash.split('/')[1] === '{zoom}'")
        self.settle()

    def text(self, id: str) -> str:
        return self.page.locator(f"#{id}").inner_text()

    def ground(self) -> np.ndarray:
        """The map without what lies over it, in levels (H, W, 3)."""
        over = "['over', 'sides', 'flicker-name'].map(id => document.getElementById(id))"
        opacity = f"(to) => {over}.forEach(e => {{ e.style.opacity = to; }})"
        self.page.evaluate(opacity, "0")
        picture = self.page.screenshot()
        self.page.evaluate(opacity, "")
        return np.asarray(Image.open(BytesIO(picture)).convert("RGB"), dtype=float)

    def tiles(self, *parts: str) -> list[str]:
        """Addresses of the tiles asked for that have all of these parts."""
        urls = [request.url for request in self.requests if ".png?" in request.url]
        return [url for url in urls if all(part in url for part in parts)]


def sharpness(ground: np.ndarray) -> float:
    """The mean step from a pixel to the next."""
    return float(np.abs(np.diff(ground, axis=1)).mean())
