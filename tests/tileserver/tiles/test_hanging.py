"""A source whose files hang whoever looks at them, as on a dead network drive: it alone suffers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from morecantile import Tile
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from tests.support.asking import scope_of
from tests.support.server import wait_until_ready
from tests.support.tiles import path_of
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.app import ROUTE_READERS, make_app
from tileserver.origins.members import LocalFile, Signature
from tileserver.settings.server import Settings

NATIVE = 19
LON, LAT = -110.643554, 44.955993
REQUESTS = 42
"""More than the 40 threads that starlette has for everything."""

MiddleTile = Callable[[int], Tile]


@dataclass
class Place:
    """A server whose first source can be made to hang."""

    client: TestClient
    pool: ThreadPoolExecutor
    hung: Event
    looks: list[Path]
    """Those that hang, or did."""
    hang: Callable[[], None]
    released: Event

    def ask(self, path: str) -> Future[Any]:
        return self.pool.submit(self.client.get, path)

    def answers(self, path: str) -> bool:
        """Whether an answer that must be right comes while the source hangs."""
        return self.client.get(path).status_code == 200 and not self.released.is_set()


@pytest.fixture
def deadline_seconds() -> float:
    """After which those that hang are answered."""
    return 6.0


@pytest.fixture
def place(
    app_settings: Callable[..., Settings],
    demo: Path,
    monkeypatch: pytest.MonkeyPatch,
    deadline_seconds: float,
) -> Iterator[Place]:
    hangs, hung, released, look = Event(), Event(), Event(), LocalFile.signature
    looks: list[Path] = []

    def stuck(file: LocalFile) -> Signature:
        reading = threading.current_thread().name.startswith("reader")  # not another server's poll
        if hangs.is_set() and reading and file.path == demo / "yellowstone_20cm.tif":
            looks.append(file.path)
            hung.set()
            released.wait(10 * LIMIT_SECONDS)  # who waited for it would never come to an end
        return look(file)

    monkeypatch.setattr(LocalFile, "signature", stuck)
    access = {"client_requests": 2 * REQUESTS}
    settings = app_settings(
        deadline_seconds=deadline_seconds, source_check_seconds=600, access=access
    )
    before = {*threading.enumerate()}  # of what other tests left open
    with ThreadPoolExecutor(REQUESTS) as pool, TestClient(make_app(settings)) as client:
        wait_until_ready(client)
        yield Place(client, pool, hung, looks, hangs.set, released)
        released.set()
    for thread in {*threading.enumerate()} - before:
        if thread.name.startswith("reader"):
            thread.join(LIMIT_SECONDS)  # its looks are not to be counted in the next test


@pytest.mark.slow
def test_a_click_on_it_does_not_stop_the_event_loop(place: Place) -> None:
    path = f"/yellowstone/inspect/{LON},{LAT}?zoom={NATIVE}"
    assert place.client.get(path).status_code == 200, "its blocks are in memory now"
    place.hang()
    click = place.ask(path)
    assert place.hung.wait(LIMIT_SECONDS)
    assert place.answers("/healthz")
    assert click.result().status_code == 503


@pytest.mark.slow
def test_its_tiles_stop_no_tile_of_another(place: Place, middle_tile: MiddleTile) -> None:
    tile = middle_tile(NATIVE)
    assert place.client.get(path_of(tile)).status_code == 200, "its blocks are in memory now"
    place.hang()
    cold = [path_of(tile, format="npy"), path_of(tile, format="tif"), f"{path_of(tile)}?bidx=1"]
    stuck = [place.ask(path) for path in cold]
    assert place.hung.wait(LIMIT_SECONDS)
    assert place.answers(path_of(middle_tile(NATIVE), "truth"))
    answers = [future.result() for future in stuck]
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)


@pytest.mark.slow
def test_its_documents_stop_nothing_else_and_are_late_in_time(place: Place) -> None:
    place.hang()
    stuck = [place.ask("/yellowstone/info") for _ in range(REQUESTS)]
    assert place.hung.wait(LIMIT_SECONDS)
    for path in ("/truth/tilejson.json", "/truth/info", "/sources.json", "/", "/viewer/viewer.css"):
        assert place.answers(path), path
    answers = [future.result() for future in stuck]
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)


@pytest.mark.parametrize("deadline_seconds", [300.0])  # those that hang are read in the end
def test_a_document_that_nobody_awaits_any_more_is_not_read(place: Place) -> None:
    place.hang()
    stuck = [place.ask("/yellowstone/info") for _ in range(ROUTE_READERS)]
    wait_until(lambda: len(place.looks) == ROUTE_READERS)
    assert place.client.portal is not None
    assert place.client.portal.call(left, place.client.app) == 499
    assert place.client.get("/healthz").status_code == 200, "the event loop has come round"
    place.released.set()
    assert {future.result().status_code for future in stuck} == {200}
    assert place.client.get("/yellowstone/point/-110.643554,44.955993").status_code == 200
    assert len(place.looks) == ROUTE_READERS


async def left(app: ASGIApp) -> int:
    """The status of an answer to a client that has left before it came."""
    incoming: list[Message] = [{"type": "http.request"}, {"type": "http.disconnect"}]
    statuses: list[int] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    await app(scope_of("/yellowstone/info"), receive, send)
    return statuses[0]
