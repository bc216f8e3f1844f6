"""Real servers: processes of their own, fresh caches, HTTP over loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
import morecantile
import numpy as np
import pytest
import yaml
from morecantile import Tile
from PIL import Image

from tileserver.settings import Settings, read_settings

WEB_MERCATOR = morecantile.tms.get("WebMercatorQuad")
START_SECONDS = 60


@dataclass
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    client: httpx.Client = field(repr=False)
    log: Path

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(*arguments: str | Path, cache: Path, port: int | None = None) -> Iterator[Server]:
    """`overzoom serve` with these arguments, once it is ready; port None: any free one."""
    port = port or free_port()
    command = [sys.executable, "-m", "tileserver", "serve", *map(str, arguments)]
    command += ["--port", str(port), "--cache-dir", str(cache)]
    log = cache.with_name(f"{cache.name}.log")  # not a pipe: nobody would empty it
    with (
        log.open("wb") as file,
        subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=url, timeout=120) as client:
                _wait_until_ready(client, process, log)
                yield Server(url, process, client, log)
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(log.read_text())
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server did not become ready")


@pytest.fixture(scope="session")
def config(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's configuration, of the meadow alone."""
    values = yaml.safe_load((demo / "overzoom.yaml").read_text())
    values["sources"] = {id: values["sources"][id] for id in ("yellowstone", "truth")}
    for source in values["sources"].values():
        source["path"] = str(demo / source["path"])
    path = tmp_path_factory.mktemp("meadow") / "overzoom.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def configured(config: Path, folder: Path, **settings: object) -> Path:
    """A configuration with other settings, in a folder of its own."""
    values = yaml.safe_load(config.read_text())
    for source in values["sources"].values():
        source["path"] = str(config.parent / source["path"])
    path = folder / "overzoom.yaml"
    path.write_text(yaml.safe_dump({**values, **settings}, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def patient(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's configuration, for a machine that may be busy with other tests."""
    return configured(config, tmp_path_factory.mktemp("config"), deadline_seconds=300)


@pytest.fixture(scope="session")
def server(patient: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server of the demo scene for all tests that only ask."""
    with running("--config", patient, cache=tmp_path_factory.mktemp("cache")) as server:
        yield server


@pytest.fixture
def app_settings(config: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of the demo scene with a cache of the test's own."""

    def settings(**overrides: object) -> Settings:
        return read_settings(config, {"cache": {"folder": str(tmp_path / "cache")}, **overrides})

    return settings


def block(corner: Tile, size: int) -> list[Tile]:
    """A square of tiles, size a side, around a tile."""
    start_x, start_y = corner.x - size // 2, corner.y - size // 2
    return [Tile(start_x + i, start_y + j, corner.z) for j in range(size) for i in range(size)]


def path_of(tile: Tile, source: str = "yellowstone", format: str = "png") -> str:
    return f"/{source}/{tile.z}/{tile.x}/{tile.y}.{format}"


def decoded(content: bytes) -> np.ndarray:
    """An encoded tile's levels, (H, W, C)."""
    return np.asarray(Image.open(BytesIO(content)))


def mosaic(tiles: dict[Tile, np.ndarray]) -> np.ndarray:
    """Tiles of one zoom put together, (H, W, C)."""
    left, top = min(t.x for t in tiles), min(t.y for t in tiles)
    right, bottom = max(t.x for t in tiles), max(t.y for t in tiles)
    picture = np.zeros(((bottom - top + 1) * 256, (right - left + 1) * 256, 3), np.uint8)
    for tile, levels in tiles.items():
        row, col = (tile.y - top) * 256, (tile.x - left) * 256
        picture[row : row + 256, col : col + 256] = levels[..., :3]
    return picture


@pytest.fixture(scope="session")
def middle_tile() -> Callable[[int], Tile]:
    """The tile in the middle of the demo scene, at any zoom."""
    return lambda zoom: WEB_MERCATOR.tile(-110.643554, 44.955993, zoom)


@pytest.fixture(scope="session")
def config_settings(config: Path) -> Settings:
    """The demo's settings, with neither tier of the cache."""
    return read_settings(config, {"cache": {"memory_bytes": 0, "disk_bytes": 0}})
