"""People at maps: they pan and zoom, look for a while, and leave before everything is there."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
from morecantile import Tile

from tests.support.tiles import WEB_MERCATOR, path_of

VIEW = (3, 2)
"""Tiles across and down."""
CONNECTIONS = 6
"""Of one browser to one host, over HTTP/1.1."""
LOOK_SECONDS = (0.3, 1.5)
LEAVE = 0.15
"""Share of views that are left before they are whole."""
ASK_AGAIN = 0.5
"""Share of known tiles for which the browser asks whether they are still good."""
PLACES = 6
TIER = re.compile('cache;desc="([^"]+)"')
DELIBERATE = {503, 429}


@dataclass
class Tally:
    """What all viewers met."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    """By kind: hit, native, super-resolved, 304, ..."""
    answers: Counter[int] = field(default_factory=Counter)
    left: int = 0
    wrong: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    contents: dict[str, bytes] = field(default_factory=dict)
    """By ETag, the digest of what was first answered."""

    def note(self, path: str, answer: httpx.Response, spent: float) -> None:
        status = answer.status_code
        self.answers[status] += 1
        if status == 304:
            kind = "304"
        elif status == 200:
            kind = self._tile(path, answer)
        else:
            kind = str(status)
            if status not in DELIBERATE and status != 404:
                self.wrong.append(f"{path}: {status}")
            if status in DELIBERATE and "retry-after" not in answer.headers:
                self.wrong.append(f"{path}: {status} without Retry-After")
        self.milliseconds.setdefault(kind, []).append(spent * 1000)

    def _tile(self, path: str, answer: httpx.Response) -> str:
        if "x-overzoom-fallback" in answer.headers:
            return "fallback"
        etag = answer.headers["etag"]
        if self.contents.setdefault(etag, answer.content) != answer.content:
            self.wrong.append(f"{path}: other bytes than before")
        found = TIER.match(answer.headers["server-timing"])
        if found is not None and found[1] != "miss":
            return f"hit ({found[1]})"
        return answer.headers["x-overzoom"]


@dataclass(frozen=True)
class Ground:
    """A source that viewers look at."""

    id: str
    bounds: tuple[float, float, float, float]
    zooms: tuple[int, int]

    def places(self) -> list[tuple[float, float]]:
        """Where people look first: the same few places for everybody."""
        west, south, east, north = self.bounds
        chance = random.Random(self.id)
        return [(chance.uniform(west, east), chance.uniform(south, north)) for _ in range(PLACES)]


class Viewer:
    """One person with one browser; behaves the same with the same number."""

    def __init__(self, number: int, url: str, grounds: list[Ground], tally: Tally) -> None:
        self.random, self.grounds, self.tally = random.Random(number), grounds, tally
        self.format = ("webp", "png", "jpg")[number % 3]
        self.known: dict[str, str] = {}
        self.url, self.address = url, f"10.0.0.{number + 1}"
        self._open_tab()
        self._arrive()

    async def look_around(self, until: float) -> None:
        """Go on until time.monotonic() is past."""
        while time.monotonic() < until:
            await self._look()
            await asyncio.sleep(self.random.uniform(*LOOK_SECONDS))
            self._move()
        await self.client.aclose()

    def _open_tab(self) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS)
        headers = {"X-Forwarded-For": self.address}  # people have addresses of their own
        self.client = httpx.AsyncClient(
            base_url=self.url, timeout=90, limits=limits, headers=headers
        )

    async def _look(self) -> None:
        tiles = [asyncio.ensure_future(self._load(path)) for path in self._view()]
        if self.random.random() < LEAVE:
            await asyncio.sleep(self.random.uniform(0.01, 0.5))
            self.tally.left += sum(not tile.done() for tile in tiles)
            for tile in tiles:
                tile.cancel()
            await self.client.aclose()
            self._open_tab()
        for done in await asyncio.gather(*tiles, return_exceptions=True):
            if isinstance(done, Exception):
                self.tally.wrong.append(f"{type(done).__name__}: {done}")

    async def _load(self, path: str) -> None:
        headers = {}
        if path in self.known and self.random.random() < ASK_AGAIN:
            headers["If-None-Match"] = self.known[path]
        started = time.perf_counter()
        self.tally.asked.add(path)
        answer = await self.client.get(path, headers=headers)
        self.tally.note(path, answer, time.perf_counter() - started)
        if answer.status_code == 200 and "etag" in answer.headers:
            self.known[path] = answer.headers["etag"]

    def _view(self) -> list[str]:
        corner = WEB_MERCATOR.tile(*self.place, self.zoom)
        return [
            path_of(Tile(corner.x + col, corner.y + row, self.zoom), self.ground.id, self.format)
            for row in range(VIEW[1])
            for col in range(VIEW[0])
        ]

    def _arrive(self) -> None:
        self.ground = self.random.choice(self.grounds)
        self.place = self.random.choice(self.ground.places())
        self.zoom = self.random.randint(*self.ground.zooms)

    def _move(self) -> None:
        move = self.random.random()
        if move < 0.1:
            self._arrive()
        elif move < 0.4:
            step = self.random.choice((-1, 1, 1))
            low, high = self.ground.zooms
            self.zoom = min(high, max(low, self.zoom + step))
        else:
            west, south, east, north = self.ground.bounds
            lon, lat = self.place
            lon += self.random.uniform(-0.2, 0.2) * (east - west)
            lat += self.random.uniform(-0.2, 0.2) * (north - south)
            self.place = (min(east, max(west, lon)), min(north, max(south, lat)))
