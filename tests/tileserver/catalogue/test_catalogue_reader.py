"""titiler's reader of a source: what a client asks for wrongly is not the source's failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from starlette.testclient import TestClient

from tests.support.rasters import SCENE
from tests.support.server import wait_until_ready
from tileserver.app import make_app
from tileserver.catalogue.catalogue_reader import CatalogueReader
from tileserver.errors import SourceUnavailable
from tileserver.settings.server import Settings

SIDE = 64
INSIDE = (-110.6435, 44.956)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of a corner of the scene, and of the same one whose pixels cannot be decoded."""
    folder = tmp_path_factory.mktemp("sources")
    with rasterio.open(SCENE) as scene:
        row, col = scene.index(*_project(INSIDE, scene.crs))
        window = ((row - SIDE // 2, row + SIDE // 2), (col - SIDE // 2, col + SIDE // 2))
        pixels, place, crs = scene.read(window=window), scene.window_transform(window), scene.crs
    for name in ("sound", "broken"):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=3,
            dtype="uint8", compress="deflate", crs=crs, transform=place,
        ) as out:  # fmt: skip
            out.write(pixels)
    _break_pixels(folder / "broken.tif")
    sources = {name: {"path": str(folder / f"{name}.tif")} for name in ("sound", "broken")}
    nothing = {"memory_bytes": 0, "disk_bytes": 0}
    settings = Settings.model_validate({"sources": sources, "cache": nothing, "device": "cpu"})
    with TestClient(make_app(settings)) as client:
        wait_until_ready(client)  # warming up opens handles, too
        yield client


def _project(place: tuple[float, float], crs: Any) -> tuple[float, float]:
    xs, ys = rasterio.warp.transform("EPSG:4326", crs, [place[0]], [place[1]])
    return xs[0], ys[0]


def _break_pixels(path: Path) -> None:
    """Overwrite the compressed pixels; the header stays."""
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
        size = int(dataset.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=1))
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * size)


def ask(client: TestClient, path: str, geometry: dict[str, Any] | None = None) -> Any:
    if geometry is None:
        return client.get(path)
    return client.post(path, json={"type": "Feature", "properties": {}, "geometry": geometry})


POINT = {"type": "Point", "coordinates": INSIDE}
LINE = {"type": "LineString", "coordinates": [INSIDE, (INSIDE[0] + 1e-4, INSIDE[1])]}
TOO_FAR_NORTH = {
    "type": "Polygon",
    "coordinates": [[INSIDE, (INSIDE[0] + 1e-4, INSIDE[1]), (INSIDE[0], 95), INSIDE]],
}
AREA = {
    "type": "Polygon",
    "coordinates": [[INSIDE, (INSIDE[0] + 5e-5, INSIDE[1]), (INSIDE[0], INSIDE[1] + 5e-5), INSIDE]],
}
OWN_SYSTEM = "EPSG:32612"
"""The scene's."""


@pytest.mark.parametrize(
    ("path", "geometry"),
    [
        ("point/24.5,95?coord_crs=EPSG:4326", None),
        ("point/24.5,1e30?coord_crs=OGC:CRS84", None),
        ("point/1e9,1e9?coord_crs=EPSG:32635", None),
        ("point/0,0?coord_crs=IAU_2015:30100", None),
        ("preview.png?dst_crs=IAU_2015:30100", None),
        ("bbox/-110.644,44.955,-110.643,44.957.png?dst_crs=IAU_2015:30100", None),
        ("bbox/2.7e6,8.2e6,2.8e6,8.3e6.png", None),
        ("feature.png", POINT),
        ("feature/64x64.png", POINT),
        (f"feature.png?dst_crs={OWN_SYSTEM}", POINT),
        ("feature.png", LINE),
        ("feature.png?dst_crs=EPSG:3857", TOO_FAR_NORTH),
    ],
)
def test_what_cannot_be_shown_is_refused_and_the_handle_stays_open(
    client: TestClient, path: str, geometry: dict[str, Any] | None
) -> None:
    pool = client.app.state.tiles.catalogue.handle_pool  # type: ignore[attr-defined]  # Starlette's state is untyped
    assert client.get("/sound/info").status_code == 200
    count = pool.open
    answer = ask(client, f"/sound/{path}", geometry)
    assert answer.status_code == 422, answer.text
    named = answer.json()["detail"].partition(":")[0]
    assert named in ("coordinates", "reference system")
    assert pool.open == count


def test_a_place_outside_the_source_closes_no_handle(client: TestClient) -> None:
    pool = client.app.state.tiles.catalogue.handle_pool  # type: ignore[attr-defined]  # Starlette's state is untyped
    assert client.get("/sound/info").status_code == 200
    count = pool.open
    assert client.get("/sound/point/0,0").status_code == 404
    assert pool.open == count


@pytest.mark.parametrize(
    ("path", "geometry"),
    [
        (f"point/{INSIDE[0]},{INSIDE[1]}", None),
        ("preview.png", None),
        ("preview.png?dst_crs=EPSG:3857", None),
        ("bbox/-110.644,44.955,-110.643,44.957.png", None),
        (f"bbox/-110.644,44.955,-110.643,44.957.png?dst_crs={OWN_SYSTEM}", None),
        ("feature.png", AREA),
        (f"feature.png?dst_crs={OWN_SYSTEM}", AREA),
        ("statistics", POINT),
    ],
)
def test_what_can_be_shown_of_a_file_that_fails_is_answered_503(
    client: TestClient, path: str, geometry: dict[str, Any] | None
) -> None:
    sound = ask(client, f"/sound/{path}", geometry)
    assert sound.status_code == 200, sound.text
    broken = ask(client, f"/broken/{path}", geometry)
    assert (broken.status_code, broken.headers.get("retry-after")) == (503, "10"), broken.text


def test_statistics_of_a_place_are_those_of_its_pixel(client: TestClient) -> None:
    values = client.get(f"/sound/point/{INSIDE[0]},{INSIDE[1]}").json()["values"]
    statistics = ask(client, "/sound/statistics", POINT).json()["properties"]["statistics"]
    assert np.allclose([band["mean"] for band in statistics.values()], values)


def test_what_fails_of_one_source_is_not_the_failure_of_the_next(client: TestClient) -> None:
    catalogue = client.app.state.tiles.catalogue  # type: ignore[attr-defined]  # Starlette's state is untyped

    def read(source: str) -> object:  # all in this thread, where GDAL keeps its last error
        with CatalogueReader(catalogue[source]) as reader:
            return reader.preview() if source == "broken" else reader.info()

    assert read("sound")
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            read("broken")
        assert read("sound")
