"""The page at /, opened by a browser that has nothing yet: when its first detail is seen.

    python -m tests.benchmarks.opening

Each server is ready and idle; for its first visitor it draws all tiles. Times are of the browser's
own clock and entries, from the start of the navigation.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, ViewportSize

from tests.support.browser import launch, open_page, wait_until
from tests.support.server import running
from tests.support.visiting import SETTLED
from tileserver.checkpoints import COMPACT

CONFIG = Path(__file__).parents[2] / "deploy" / "demo" / "overzoom.yaml"
SIZES: tuple[ViewportSize, ...] = ({"width": 1280, "height": 800}, {"width": 390, "height": 844})
TIMES = 3
WATCH = """
addEventListener("DOMContentLoaded", () => {
  const origin = document.getElementById("origin");
  new MutationObserver((_, observer) => {
    if (!/^Synthesised|^Drawing detail, [1-9]/.test(origin.textContent)) return;
    observer.disconnect();
    // its first frame is on the screen once another one is to be drawn
    requestAnimationFrame(() => requestAnimationFrame(() => { window.seen = performance.now(); }));
  }).observe(origin, { childList: true, characterData: true, subtree: true });
});
"""
ENTRIES = """() => ({
  seen: window.seen,
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  entries: performance.getEntriesByType("resource").map(
    ({ name, startTime, responseEnd }) => ({ name, start: startTime, end: responseEnd })),
})"""


class Stages(NamedTuple):
    """Milliseconds from the start of the navigation."""

    first_paint: float
    script: float
    """The page's script is there."""
    asked: float
    """The source's documents are there, and the first tile of synthesised detail is asked for."""
    came: float
    seen: float
    """It is on the screen."""


def measure_opening(browser: Browser, url: str, size: ViewportSize) -> Stages:
    """Open the page once, in a browser whose cache is empty."""
    page = open_page(browser, size)
    page.add_init_script(WATCH)
    page.goto(f"{url}/")
    wait_until(page, "window.seen !== undefined")
    stages = _read_stages(page)
    wait_until(page, SETTLED)  # the next one finds the server idle
    page.close()
    return stages


def _read_stages(page: Page) -> Stages:
    found = page.evaluate(ENTRIES)
    tiles = [entry for entry in found["entries"] if _is_synthesised(entry["name"])]
    return Stages(
        first_paint=found["paint"],
        script=next(one["end"] for one in found["entries"] if one["name"].endswith("/viewer.js")),
        asked=min(entry["start"] for entry in tiles),
        came=min(entry["end"] for entry in tiles if entry["end"] > 0),
        seen=found["seen"],
    )


def _is_synthesised(url: str) -> bool:
    return ".png?" in url and "mode=interpolated" not in url


@contextmanager
def _serve() -> Iterator[str]:
    """The URL of a server of the demo that has just become ready and has drawn nothing."""
    with tempfile.TemporaryDirectory() as name:
        arguments = ("--config", CONFIG, "--checkpoint", COMPACT)
        with running(*arguments, cache=Path(name) / "tiles") as server:
            yield server.url


def measure_rows(times: int = TIMES) -> Iterator[tuple[str, str]]:
    """What was measured, and the median of so many servers' openings, in words."""
    with launch() as browser:
        for size in SIZES:
            first, second = list[Stages](), list[Stages]()
            for _ in range(times):
                with _serve() as url:
                    first.append(measure_opening(browser, url, size))
                    second.append(measure_opening(browser, url, size))
            what = f"opening view, {size['width']}x{size['height']}"
            yield f"{what}, first visitor", _describe(first)
            yield f"{what}, second visitor", _describe(second)


def _describe(found: list[Stages]) -> str:
    middle = Stages(*(statistics.median(values) for values in zip(*found, strict=True)))
    stages = ", ".join(f"{name} {value:.0f}" for name, value in middle._asdict().items())
    return f"{stages} ms; seen at best {min(one.seen for one in found):.0f} ms"


def main() -> None:
    for what, measured in measure_rows():
        print(f"| {what} | {measured} | seen <= 1500 ms |", flush=True)


if __name__ == "__main__":
    main()
