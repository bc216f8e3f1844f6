"""Maps of any part of the Earth in any system show what lies there."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform
from starlette.testclient import TestClient

from tests.support.earth import TURNS, Place
from tileserver import SuperResolvedReader
from tileserver.app import make_app
from tileserver.settings.reading import read_settings

PLACES = {
    "utm": Place("EPSG:32612", Affine(1, 0, 400_000, 0, -1, 5_000_000), waves=30_000),
    "degrees": Place("EPSG:4326", Affine(0.01, 0, 20, 0, -0.01, 50), waves=20),
    "fiji": Place("EPSG:4326", Affine(0.02, 0, 178, 0, -0.02, -16), waves=10),
    "taveuni": Place("EPSG:32760", Affine(2, 0, 819_250, 0, -2, 8_118_250), waves=30_000),
    "pole": Place("EPSG:3413", Affine(2000, 0, -200_000, 0, -2000, 200_000), waves=10),
    "arctic": Place("EPSG:3413", Affine(100, 0, -10_000, 0, -100, 10_000), waves=600),
    "north": Place("EPSG:3413", Affine(100, 0, 100_000, 0, -100, 110_000), waves=600),
    "world": Place("EPSG:4326", Affine(0.9, 0, -180, 0, -0.9, 90), 200, 400, waves=1),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("places")
    sources = {id: {"path": str(place.write(folder / f"{id}.tif"))} for id, place in PLACES.items()}
    cache = {"memory_bytes": 0, "disk_bytes": 0}
    values = {"sources": sources, "cache": cache, "deadline_seconds": 300}
    with TestClient(make_app(read_settings(None, values))) as client:
        yield client


MAPS = [
    ("utm", "EPSG:32612", (400_020, 4_999_830, 400_180, 4_999_970)),
    ("utm", "EPSG:32613", None),
    ("utm", "EPSG:3857", None),
    ("utm", "OGC:CRS84", None),
    ("degrees", "EPSG:3857", (2_240_000, 6_200_000, 2_430_000, 6_400_000)),
    ("degrees", "EPSG:3035", None),
    ("degrees", "EPSG:2180", None),
    ("fiji", "OGC:CRS84", (178.5, -19, 181.5, -17)),
    ("fiji", "OGC:CRS84", (-181.5, -19, -178.5, -17)),
    ("fiji", "OGC:CRS84", (178.5, -19, -178.5, -17)),
    ("fiji", "EPSG:3857", (19_900_000, -2_200_000, 20_200_000, -1_900_000)),
    ("fiji", "EPSG:3832", (3_200_000, -2_100_000, 3_500_000, -1_900_000)),
    ("taveuni", "EPSG:32760", (819_300, 8_117_900, 819_600, 8_118_200)),
    ("taveuni", "EPSG:32701", None),
    ("taveuni", "EPSG:3832", None),
    ("taveuni", "EPSG:3857", None),
    ("taveuni", "OGC:CRS84", None),
    ("pole", "EPSG:3413", (-190_000, -190_000, 190_000, 190_000)),
    ("arctic", "EPSG:3413", (-9_500, -9_500, 9_500, 9_500)),
    ("north", "EPSG:3413", (100_500, 90_500, 119_500, 109_500)),
    ("pole", "EPSG:5041", (1_850_000, 1_850_000, 2_150_000, 2_150_000)),
    ("world", "EPSG:3857", (-20_037_508, -10_000_000, 20_037_508, 10_000_000)),
    ("world", "OGC:CRS84", (-180, -90, 180, 90)),
    ("world", "EPSG:8857", (-15_000_000, -8_000_000, 15_000_000, 8_000_000)),
]
"""Source, system, and the box in that system; None: the source's own extent."""


@pytest.mark.parametrize(("id", "code", "box"), MAPS)
def test_a_map_shows_what_lies_there(
    client: TestClient, id: str, code: str, box: tuple[float, ...] | None
) -> None:
    query = f"crs={code}&width=200&f=npy&mode=interpolated"
    if box is not None:
        query += f"&bbox={','.join(map(str, box))}&bbox-crs={code}"
    answer = client.get(f"/{id}/map?{query}")
    assert answer.status_code == 200, answer.text
    array = np.load(BytesIO(answer.content))
    numbers = [float(number) for number in answer.headers["content-bbox"].split(",")]
    if code in ("EPSG:3035", "EPSG:2180"):  # north comes first
        numbers = [numbers[1], numbers[0], numbers[3], numbers[2]]
    left, bottom, right, top = numbers
    height, width = array.shape[1:]
    xs = left + (np.arange(width) + 0.5) * (right - left) / width
    ys = top - (np.arange(height) + 0.5) * (top - bottom) / height
    x, y = np.meshgrid(xs, ys)
    lon, lat = (
        np.reshape(part, x.shape) for part in transform(code, "EPSG:4326", x.ravel(), y.ravel())
    )
    known = np.isfinite(lon) & np.isfinite(lat)
    lon, lat = np.where(known, lon, 0), np.where(known, lat, 0)
    place = PLACES[id]
    shown = known & (array[3] > 0)
    inside = known & (place.depth_px(lon, lat) > 3)
    assert inside.mean() > 0.2
    assert (shown & inside).sum() / inside.sum() > 0.99, "nothing is missing"
    apart = np.abs(array[:3].astype(float) - place.values(lon, lat))[:, shown & inside]
    assert apart.mean() < 4
    assert np.quantile(apart, 0.99) < 16


def test_services_name_the_boxes_of_what_crosses_180_degrees(client: TestClient) -> None:
    answer = client.get("/taveuni/wms?service=WMS&request=GetCapabilities&version=1.3.0")
    boxes = {
        box.attrib["CRS"]: [float(box.attrib[name]) for name in ("minx", "maxx")]
        for box in ElementTree.fromstring(answer.text).iter(
            "{http://www.opengis.net/wms}BoundingBox"
        )
    }
    assert boxes["EPSG:32760"] == [819_250, 819_650]
    assert boxes["CRS:84"] == pytest.approx([179.998, 180.002], abs=1e-3)
    half_turn = TURNS["EPSG:3857"] / 2
    assert np.subtract(boxes["EPSG:3857"], half_turn) == pytest.approx([-213, 210], abs=5)
    for document in (
        client.get("/taveuni/tilejson.json").json()["overzoom"],
        next(one for one in client.get("/sources.json").json() if one["id"] == "taveuni"),
    ):
        west, _, east, _ = document["extent"]
        assert [west, east] == pytest.approx([179.998, 180.002], abs=1e-3)


def test_180_degrees_are_a_place_from_either_side(client: TestClient) -> None:
    east, west = (client.get(f"/fiji/inspect/{lon},-17").json() for lon in (180, -180))
    assert east.pop("coordinates") == [180, -17]
    assert west.pop("coordinates") == [-180, -17]
    assert east == west


def test_a_reader_s_parts_have_what_web_mercator_lacks(client: TestClient, tmp_path: Path) -> None:
    path = PLACES["pole"].write(tmp_path / "pole.tif")
    with SuperResolvedReader(str(path)) as reader:
        box = (-1.9e5, -1.9e5, 1.9e5, 1.9e5)
        system = {"bounds_crs": reader.crs, "dst_crs": reader.crs}
        part = reader.part(box, width=400, height=400, **system)
        whole = reader.preview(width=400, height=400, max_size=None)
    for image in (part, whole):
        assert np.ma.getmaskarray(image.array).sum() == 0
