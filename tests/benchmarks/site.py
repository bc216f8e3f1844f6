"""A place where things go wrong: two rasters, a server of them, and how every tile should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import rasterio
import yaml
from morecantile import Tile

from cache.envelope import unpack
from tests.support.rasters import cut
from tests.support.server import Server, running
from tests.support.tiles import WEB_MERCATOR, path_of

SOURCE, OTHER = "meadow", "pasture"
RECOVERY_SECONDS = 60.0


@dataclass
class Outcome:
    """What a fault did."""

    figures: str
    wrong: list[str] = field(default_factory=list)
    """Each a tile that was not what a clean server draws, or something that did not recover."""


@dataclass
class Site:
    """Two rasters, a configuration of them, and every tile of one as a clean server draws it."""

    folder: Path
    settings: dict[str, object] = field(default_factory=dict)
    clean: dict[str, bytes] = field(default_factory=dict)

    @property
    def raster(self) -> Path:
        return self.folder / f"{SOURCE}.tif"

    def config(self, **settings: object) -> Path:
        sources = {id: {"path": str(self.folder / f"{id}.tif")} for id in (SOURCE, OTHER)}
        quick = {"source_check_seconds": 0.2, "deadline_seconds": 10}
        file = self.folder / "overzoom.yaml"
        file.write_text(yaml.safe_dump({"sources": sources, **quick, **settings}))
        return file

    @contextmanager
    def served(self, folder: str, **settings: object) -> Iterator[Server]:
        with running("--config", self.config(**settings), cache=self.folder / folder) as server:
            yield server

    def wrong_in(self, answers: dict[str, httpx.Response]) -> list[str]:
        """Tiles that are not a clean server's; refusals are not wrong."""
        return [
            f"{path}: other bytes ({len(answer.content)})"
            for path, answer in answers.items()
            if answer.status_code == 200 and answer.content != self.clean[path]
        ]


def prepared(folder: Path, depth: int = 1) -> Site:
    """A site, drawn once by a server that is left in peace."""
    site = Site(folder)
    for id in (SOURCE, OTHER):
        cut(folder / f"{id}.tif", "rgb")
    with site.served("clean") as server:
        site.clean = drawn(server, addresses(server, depth))
    return site


def addresses(server: Server, depth: int) -> list[str]:
    """Every tile of the source from two zooms above native to depth below it."""
    document = server.get(f"/{SOURCE}/tilejson.json").json()
    native = document["overzoom"]["native_maxzoom"]
    tiles: list[Tile] = []
    for zoom in range(native - 2, native + depth + 1):
        west, south, east, north = document["bounds"]
        tiles += WEB_MERCATOR.tiles(west, south, east, north, zooms=[zoom])
    paths = [path_of(tile, SOURCE) for tile in tiles]
    return [path for path in paths if server.get(path).status_code == 200]


def drawn(server: Server, paths: list[str]) -> dict[str, bytes]:
    return {path: answer.content for path, answer in asked(server, paths).items()}


def asked(server: Server, paths: list[str]) -> dict[str, httpx.Response]:
    """The answers to six requests at a time; addresses without an answer are left out."""
    answers = {}

    def ask(path: str) -> None:
        with suppress(httpx.TransportError):
            answers[path] = server.client.get(path)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, paths))
    return answers


def recovered(site: Site, server: Server) -> list[str]:
    """Nothing, once every tile is answered and right; else what still is not."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        answers = asked(server, list(site.clean))
        wrong = site.wrong_in(answers)
        missing = [p for p in site.clean if p not in answers or answers[p].status_code != 200]
        if wrong or not missing or time.monotonic() > deadline:
            return wrong + [f"{path}: not back" for path in missing]
        time.sleep(0.5)


def stored(cache: Path) -> Iterator[tuple[str, Path]]:
    """Every whole file of a disk cache, by its key."""
    for file in sorted(cache.rglob("*.png")):
        yield str(file.relative_to(cache)), file


def unreadable(cache: Path) -> list[str]:
    return [key for key, file in stored(cache) if unpack(key, file.read_bytes()) is None]


def others_served(site: Site, server: Server) -> list[str]:
    """The other source shows the same ground, so its tiles are known."""
    wrong = []
    for path, content in list(site.clean.items())[-4:]:
        answer = server.get(path.replace(f"/{SOURCE}/", f"/{OTHER}/"))
        if answer.status_code != 200 or answer.content != content:
            wrong.append(f"the other source answered {answer.status_code}")
    return wrong


def mirrored(raster: Path, to: Path) -> None:
    """Write another raster of the same place."""
    with rasterio.open(raster) as scene, rasterio.open(to, "w", **scene.profile) as out:
        out.write(np.ascontiguousarray(scene.read()[:, :, ::-1]))
