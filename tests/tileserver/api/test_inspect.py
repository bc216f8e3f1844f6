"""What is measured at a place, and what is made of it: /{source}/inspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import yaml
from rasterio.transform import from_bounds
from rasterio.warp import transform
from starlette.testclient import TestClient

from tests.support.keys import hashed
from tests.support.rasters import SCENE, cut
from tests.support.server import Service, serving, wait_until_ready
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver.app import make_app
from tileserver.settings.server import Settings

NATIVE = 19
LON, LAT = -110.643554, 44.955993


@pytest.fixture(scope="module")
def reflectance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server of a raster of floats from 0 to 1, with a range of 0 to 2 and a hole."""
    folder = tmp_path_factory.mktemp("reflectance")
    cut(folder / "field.tif", "float")
    config = folder / "overzoom.yaml"
    sources = {"field": {"path": str(folder / "field.tif"), "range": [0, 2]}}
    config.write_text(yaml.safe_dump({"sources": sources}))
    with serving(config, folder / "cache") as server:
        yield server


def inspected(server: Service, lon: float, lat: float, zoom: int, **query: int) -> dict[str, Any]:
    parameters = {"zoom": zoom, **query}
    answer = server.client.get(f"/{source_of(server)}/inspect/{lon!r},{lat!r}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    document: dict[str, Any] = answer.json()
    return document


def source_of(server: Service) -> str:
    return str(server.get("/sources.json").json()[0]["id"])


def place_of(zoom: int, row: int, col: int) -> tuple[float, float]:
    """The middle of a pixel, longitude and latitude."""
    matrix = WEB_MERCATOR.matrix(zoom)
    x, y = matrix.pointOfOrigin
    place = WEB_MERCATOR.lnglat(
        x + (col + 0.5) * matrix.cellSize, y - (row + 0.5) * matrix.cellSize
    )
    return place.x, place.y


def test_the_values_are_those_of_the_tiles_pixels(reflectance: Service) -> None:
    document = reflectance.get("/field/tilejson.json").json()
    west, south, east, north = document["bounds"]
    native = document["overzoom"]["native_maxzoom"]
    lon, lat = west + 0.2 * (east - west), south + 0.2 * (north - south)
    for zoom in (native + 1, native + 2):
        tile = WEB_MERCATOR.tile(lon, lat, zoom)
        row, col = 37, 201
        lon_there, lat_there = place_of(zoom, tile.y * 256 + row, tile.x * 256 + col)
        found = inspected(reflectance, lon_there, lat_there, zoom, noise_seed=1)
        assert found["source"] == "field"
        assert found["coordinates"] == [lon_there, lat_there]
        assert (found["zoom"], found["native_zoom"]) == (zoom, native)
        assert found["pixel_metres"] == pytest.approx(0.2112 / 2 ** (zoom - native), rel=0.001)
        assert found["scale"] == pytest.approx(0.2 / found["pixel_metres"], rel=0.001)
        assert found["bands"] == ["b1", "b2", "b3"]
        assert found["synthesised"] is True
        path = path_of(tile, "field", "npy")
        grid = f"WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.npy"
        for name, address in (
            ("super_resolved", f"{path}?noise_seed=1"),
            ("interpolated", f"{path}?mode=interpolated"),
            ("uncertainty", f"/field/uncertainty/tiles/{grid}"),
        ):
            expected = np.load(BytesIO(reflectance.get(address).content))[:3, row, col]
            np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-9)
        assert found["super_resolved"] != found["interpolated"]


@pytest.mark.parametrize("zoom", [NATIVE, NATIVE + 3])
def test_the_first_value_is_that_of_the_files_own_pixel(server: Service, zoom: int) -> None:
    with rasterio.open(SCENE) as file:
        (x,), (y,) = transform("EPSG:4326", file.crs, [LON], [LAT])
        row, col = file.index(x, y)
        (values,) = file.sample([(x, y)])
    found = inspected(server, LON, LAT, zoom)
    assert found["imagery"] == {"row": row, "col": col, "values": values.tolist()}
    assert found["imagery"]["values"] != found["native"], "the native pixel is a mean of several"


def test_pixels_below_a_native_one_average_to_it(server: Service) -> None:
    tile = WEB_MERCATOR.tile(LON, LAT, NATIVE)
    row, col = tile.y * 256 + 100, tile.x * 256 + 50
    above = inspected(server, *place_of(NATIVE, row, col), NATIVE)
    assert above["synthesised"] is False
    assert above["scale"] == pytest.approx(0.2 / 0.2112, rel=0.001)
    assert above["native"] == above["super_resolved"] == above["interpolated"]
    assert above["uncertainty"] == [0, 0, 0]
    below = [
        inspected(server, *place_of(NATIVE + 1, 2 * row + i, 2 * col + j), NATIVE + 1)
        for i in (0, 1)
        for j in (0, 1)
    ]
    assert all(one["native"] == above["native"] for one in below)
    for name in ("super_resolved", "interpolated"):
        means = np.mean([one[name] for one in below], axis=0)
        np.testing.assert_allclose(means, above["native"], atol=2e-3)
    assert np.ptp([one["super_resolved"] for one in below], axis=0).max() > 1
    assert all(value > 0 for one in below for value in one["uncertainty"])


def test_a_click_beside_another_finds_what_was_drawn(
    app_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = [0]
    convolve = torch.nn.functional.conv2d

    def count(*arguments: Any) -> torch.Tensor:
        result: torch.Tensor = convolve(*arguments)
        work[-1] += result.numel()
        return result

    tile = WEB_MERCATOR.tile(LON, LAT, NATIVE + 2)
    with TestClient(make_app(app_settings())) as client:
        wait_until_ready(client)
        monkeypatch.setattr(torch.nn.functional, "conv2d", count)
        for row in (40, 60, 90):
            work.append(0)
            lon, lat = place_of(NATIVE + 2, tile.y * 256 + row, tile.x * 256 + 9)
            answer = client.get(f"/yellowstone/inspect/{lon},{lat}")
            assert answer.json()["zoom"] == NATIVE + 3, "the deepest by default"
    _, first, *later = work
    assert first > 0
    assert max(later) < 0.5 * first


@pytest.mark.parametrize(
    ("place", "query", "status"),
    [
        ("10,10", "zoom=20", 404),
        (f"{LON},{LAT}", "zoom=18", 422),
        (f"{LON},{LAT}", "zoom=23", 422),
        (f"{LON},{LAT}", "zoom=nan", 422),
        (f"{LON},{LAT}", "zoom=20&noise_seed=4", 422),
        (f"nan,{LAT}", "zoom=20", 422),
        (f"{LON},inf", "zoom=20", 422),
        (f"{LON}", "zoom=20", 404),
        (f"{LON},91", "zoom=20", 422),
        (f"-181,{LAT}", "zoom=20", 422),
        (f"{LON},89.9", "zoom=20", 404),
        ("180,85.0511287798066", "zoom=20", 404),
        ("a,b", "zoom=20", 422),
    ],
)
def test_what_is_no_place_of_the_source_is_refused(
    server: Service, place: str, query: str, status: int
) -> None:
    answer = server.get(f"/yellowstone/inspect/{place}?{query}")
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}
    assert server.get(f"/nothing/inspect/{place}?{query}").status_code in (404, 422)


def test_a_hole_in_the_data_is_no_place_of_the_source(reflectance: Service) -> None:
    document = reflectance.get("/field/tilejson.json").json()
    west, south, east, north = document["bounds"]
    middle = f"{west + 160 / 300 * (east - west)},{north - 140 / 300 * (north - south)}"
    zoom = document["maxzoom"]
    for place in (middle, "10,10", "10,89.9"):
        answer = reflectance.get(f"/field/inspect/{place}?zoom={zoom}")
        assert answer.status_code == 404
        assert answer.json() == {"detail": "point lies outside the source"}


def test_a_value_that_no_float_holds_is_null(tmp_path: Path) -> None:
    tile = WEB_MERCATOR.tile(15, 45, 14)
    size = {"count": 1, "dtype": "float32", "height": 256, "width": 256}
    place = {"crs": "EPSG:3857", "transform": from_bounds(*WEB_MERCATOR.xy_bounds(tile), 256, 256)}
    values = np.arange(256**2, dtype=np.float32).reshape(1, 256, 256)
    values[0, 95, 99] = 3.3e38  # between its pixels' centres more is interpolated
    with rasterio.open(tmp_path / "wide.tif", "w", driver="GTiff", **size, **place) as out:
        out.write(values)
    settings = Settings.model_validate({"sources": {"wide": {"path": str(tmp_path / "wide.tif")}}})
    lon, lat = place_of(17, 8 * (tile.y * 256 + 95) + 4, 8 * (tile.x * 256 + 99) + 4)
    with TestClient(make_app(settings)) as client:
        wait_until_ready(client)
        answer = client.get(f"/wide/inspect/{lon},{lat}?zoom=17")
    assert answer.status_code == 200, answer.text
    assert answer.json()["imagery"]["values"] == pytest.approx([3.3e38])
    assert answer.json()["interpolated"] == [None]


def test_what_is_native_alone_has_no_uncertainty(app_settings: Callable[..., Settings]) -> None:
    with TestClient(make_app(app_settings(extra_zooms=0))) as client:
        found = client.get(f"/yellowstone/inspect/{LON},{LAT}?zoom=19").json()
    assert found["uncertainty"] is None
    assert len(found["super_resolved"]) == 3


def test_it_needs_the_sources_key(app_settings: Callable[..., Settings], tmp_path: Path) -> None:
    access = {"keys": {"owner": {"sha256": hashed("secret")}}}
    with TestClient(make_app(app_settings(access=access))) as client:
        path = f"/yellowstone/inspect/{LON},{LAT}?zoom=20"
        assert client.get(path).status_code == 401
        assert client.get(f"{path}&key=secret").status_code == 200
