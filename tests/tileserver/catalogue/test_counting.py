"""`/statistics?categorical=true`: classes of any type are counted, and no endless list is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from starlette.testclient import TestClient

from tileserver.app import make_app
from tileserver.catalogue.counting import MAX_CATEGORIES
from tileserver.settings.server import Settings

SIDE = 128
PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
SHAPE = {
    "type": "Feature",
    "properties": {},
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[15.002, 45.151], [15.009, 45.151], [15.009, 45.145], [15.002, 45.151]]],
    },
}


def raster(path: Path, values: NDArray[Any]) -> str:
    profile = {"driver": "GTiff", "count": 1, "height": SIDE, "width": SIDE, **PLACE}
    with rasterio.open(path, "w", dtype=values.dtype, **profile) as out:
        out.write(values[None])
    return str(path)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("counted")
    ramp = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    rasters: dict[str, NDArray[Any]] = {
        "elevations": ramp.astype(np.float32),
        "soils": (ramp % MAX_CATEGORIES).astype(np.uint16),
        "cover": np.where(ramp % 3, ramp % 5, np.nan).astype(np.float32),
    }
    paths = {id: {"path": raster(folder / f"{id}.tif", v)} for id, v in rasters.items()}
    settings = Settings.model_validate(
        {"sources": paths, "cache": {"folder": folder / "cache"}, "deadline_seconds": 300}
    )
    with TestClient(make_app(settings)) as client:
        yield client


def asked(client: TestClient, path: str, *, by_shape: bool) -> Any:
    return client.post(path, json=SHAPE) if by_shape else client.get(path)


@pytest.mark.parametrize("by_shape", [False, True])
@pytest.mark.parametrize("query", ["", "&algorithm=sum", "&expression=b1*2"])
def test_a_raster_of_countless_values_is_refused_in_words(
    client: TestClient, query: str, by_shape: bool
) -> None:
    answer = asked(client, f"/elevations/statistics?categorical=true{query}", by_shape=by_shape)
    assert answer.status_code == 422
    assert "categorical" in answer.json()["detail"]
    assert str(MAX_CATEGORIES) in answer.json()["detail"]


@pytest.mark.parametrize(("source", "count"), [("soils", MAX_CATEGORIES), ("cover", 5)])
def test_classes_of_any_type_are_counted(client: TestClient, source: str, count: int) -> None:
    answer = client.get(f"/{source}/statistics?categorical=true").json()["b1"]
    counts, classes = answer["histogram"]
    assert classes == list(range(count))
    assert sum(counts) == answer["valid_pixels"] > 0


def test_named_values_are_counted_in_any_raster(client: TestClient) -> None:
    answer = client.get("/elevations/statistics?categorical=true&c=3&c=7.5")
    assert answer.json()["b1"]["histogram"] == [[1, 0], [3, 7.5]]


@pytest.mark.parametrize("by_shape", [False, True])
def test_all_else_is_as_before(client: TestClient, by_shape: bool) -> None:
    answer = asked(client, "/elevations/statistics", by_shape=by_shape)
    assert answer.status_code == 200, answer.text
    document = answer.json()["properties"]["statistics"] if by_shape else answer.json()
    assert len(document["b1"]["histogram"][0]) == 10
