"""A source whose files hang whoever looks at them, as on a dead network drive: it alone suffers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import httpx
import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from tests.tileserver.conftest import path_of
from tileserver.app import make_app
from tileserver.settings import Settings
from tileserver.sources.members import LocalFile, Look

NATIVE = 19
LON, LAT = -110.643554, 44.955993
DEADLINE_SECONDS = 3.0
HANG_SECONDS = 12.0
PROMPT_SECONDS = 3.0
REQUESTS = 42
"""More than the 40 threads that starlette has for everything."""

MiddleTile = Callable[[int], Tile]


@dataclass
class Place:
    """A server whose first source can be made to hang."""

    client: TestClient
    pool: ThreadPoolExecutor
    hung: Event
    hang: Callable[[], None]

    def ask(self, path: str) -> Future[httpx.Response]:
        return self.pool.submit(self.client.get, path)

    def seconds(self, path: str) -> float:
        """How long an answer takes that must be right."""
        began = time.monotonic()
        assert self.client.get(path).status_code == 200
        return time.monotonic() - began


@pytest.fixture
def place(
    app_settings: Callable[..., Settings], demo: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    hangs, hung, released, look = Event(), Event(), Event(), LocalFile.look

    def stuck(file: LocalFile) -> Look:
        if hangs.is_set() and file.path == demo / "yellowstone_20cm.tif":
            hung.set()
            released.wait(HANG_SECONDS)
        return look(file)

    monkeypatch.setattr(LocalFile, "look", stuck)
    access = {"client_requests": 2 * REQUESTS}
    settings = app_settings(
        deadline_seconds=DEADLINE_SECONDS, source_check_seconds=600, access=access
    )
    with ThreadPoolExecutor(REQUESTS) as pool, TestClient(make_app(settings)) as client:
        yield Place(client, pool, hung, hangs.set)
        released.set()


def test_a_click_on_it_does_not_stop_the_event_loop(place: Place) -> None:
    path = f"/yellowstone/inspect/{LON},{LAT}?zoom={NATIVE}"
    assert place.client.get(path).status_code == 200, "its blocks are in memory now"
    place.hang()
    click = place.ask(path)
    assert place.hung.wait(HANG_SECONDS)
    assert place.seconds("/healthz") < PROMPT_SECONDS
    assert click.result().status_code == 503


def test_its_tiles_stop_no_tile_of_another(place: Place, middle_tile: MiddleTile) -> None:
    tile = middle_tile(NATIVE)
    assert place.client.get(path_of(tile)).status_code == 200, "its blocks are in memory now"
    place.hang()
    stuck = [place.ask(path_of(tile, format=format)) for format in ("webp", "jpg", "avif")]
    assert place.hung.wait(HANG_SECONDS)
    time.sleep(0.5)
    assert place.seconds(path_of(middle_tile(NATIVE + 1), "truth")) < PROMPT_SECONDS
    answers = [future.result() for future in stuck]
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)
