"""The list of sources: what it says, and that its addresses lead to right pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin
from starlette.requests import Request
from starlette.testclient import TestClient

from tests.support.asking import scope_of
from tests.support.keys import hashed
from tests.support.rasters import cut
from tests.support.server import Service
from tests.support.tiles import decoded
from tileserver.api.documents.sources import source_entry
from tileserver.app import make_app
from tileserver.catalogue.catalogue import Absent
from tileserver.errors import StartupError
from tileserver.settings.reading import read_settings
from tileserver.settings.sources import SourceSettings

NAMES = {"ows": "http://www.opengis.net/ows/1.1"}
RANGES = {"uint16": (0, 10200), "signed": (-128, 127), "float": (0, 1), "nan": (0, 1)}
HOLED = ("rgba", "nodata", "signed", "mask", "nan", "float", "alpha inside")
KINDS = ("rgb", "grey", "uint16", "four", *HOLED)
LARGE_PX = 5000


def sparse(path: Path, crs: CRS, *, overviews: bool) -> Path:
    """A raster of many pixels and few bytes."""
    size = {"height": LARGE_PX, "width": LARGE_PX, "tiled": True, "sparse_ok": True}
    place = from_origin(0, 0, 10, 10)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, dtype="uint8", crs=crs, transform=place, **size
    ) as out:
        if overviews:
            out.build_overviews([2, 4, 8, 16])
    return path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Rasters of every kind and of every place."""
    folder = tmp_path_factory.mktemp("kinds")
    sources: dict[str, Any] = {
        kind.replace(" ", "-"): {
            "path": str(cut(folder / f"{kind}.tif", kind)),
            "range": RANGES.get(kind),
        }
        for kind in KINDS
    }
    mercator, pole = CRS.from_epsg(3857), CRS.from_epsg(3031)
    sources["large"] = {"path": str(sparse(folder / "large.tif", mercator, overviews=False))}
    sources["quick"] = {"path": str(sparse(folder / "quick.tif", mercator, overviews=True))}
    sources["pole"] = {"path": str(sparse(folder / "pole.tif", pole, overviews=True))}
    cache = {"memory_bytes": 0, "disk_bytes": 0}
    with TestClient(make_app(read_settings(None, {"sources": sources, "cache": cache}))) as client:
        yield client


def entries(client: TestClient, query: str = "") -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in client.get(f"/sources.json{query}").json()}


def test_it_says_of_the_demo_what_its_configuration_and_its_tilejson_say(server: Service) -> None:
    listed, truth = server.get("/sources.json").json()
    document = server.get(f"/{listed['tilejson']}").json()
    assert listed["id"] == "yellowstone"
    assert listed["title"] == document["name"] == "Yellowstone meadow, 20 cm"
    assert document["attribution"] == f"{listed['attribution']}; detail past zoom 19 is synthesised"
    assert listed["licence"] == document["overzoom"]["licence"]
    assert "MIT" in listed["licence"]
    assert (listed["reference"], truth["reference"]) == ("truth", None)
    assert listed["bounds"] == pytest.approx(document["bounds"], abs=1e-12)
    assert listed["native_zoom"] == document["overzoom"]["native_maxzoom"] == 19
    assert listed["max_zoom"] == document["maxzoom"] == 22
    assert (listed["width"], listed["height"], listed["bands"]) == (1149, 1236, 3)
    assert listed["band_numbers"] == [1, 2, 3]
    assert listed["band_colours"] == ["red", "green", "blue"]
    assert (listed["range"], listed["colour_table"], listed["date"]) == ([0, 255], False, "2019")
    assert (listed["crs"], listed["view"], listed["unavailable"]) == ("EPSG:32612", None, None)
    for name in ("full_resolution_zoom", "imagery_pixel_metres", "native_pixel_metres"):
        assert listed[name] == document["overzoom"][name]


def test_title_and_licence_are_in_the_metadata_of_ogc_services(server: Service) -> None:
    tileset = server.get("/yellowstone/tiles/WebMercatorQuad").json()
    assert tileset["title"] == "Yellowstone meadow, 20 cm on WebMercatorQuad"
    assert "MIT" in tileset["license"]
    service = ElementTree.fromstring(server.get("/yellowstone/WMTSCapabilities.xml").text)
    titles = [title.text for title in service.iterfind(".//ows:Title", NAMES)]
    assert titles == ["Overzoom: Yellowstone meadow, 20 cm", "Yellowstone meadow, 20 cm"]
    assert "MIT" in service.findtext(".//ows:AccessConstraints", "", NAMES)


def test_without_a_title_a_source_is_called_by_its_id(client: TestClient) -> None:
    grey = entries(client)["grey"]
    assert (grey["title"], grey["licence"], grey["attribution"]) == ("grey", None, None)
    assert client.get("/grey/tilejson.json").json()["name"] == "grey"
    assert "license" not in client.get("/grey/tiles/WebMercatorQuad").json()
    assert "AccessConstraints" not in client.get("/grey/WMTSCapabilities.xml").text


@pytest.mark.parametrize("kind", KINDS)
def test_thumbnails_show_every_kind_of_raster_as_its_tiles_do(
    client: TestClient, kind: str
) -> None:
    listed = entries(client)
    assert not listed["rgb"]["thumbnail"].startswith("/")
    true = decoded(client.get(f"/{listed['rgb']['thumbnail']}").content).astype(float)
    picture = decoded(client.get(f"/{listed[kind.replace(' ', '-')]['thumbnail']}").content)
    assert max(picture.shape[:2]) == 256
    opaque = np.ones((256, 256), bool)
    if kind in HOLED:
        opaque = picture[..., 3] > 0
        assert (~opaque).mean() == pytest.approx(80**2 / 300**2, abs=0.01)
    if kind == "grey":
        true = true[..., :1].repeat(3, axis=2)
    assert np.abs(picture[..., :3] - true)[opaque].mean() < 8, "lossy, and no darker"


def test_a_thumbnail_that_would_take_long_is_not_offered(client: TestClient) -> None:
    listed = entries(client)
    assert listed["large"]["thumbnail"] is None
    assert client.get("/large/thumbnail.webp").status_code == 422
    assert client.get(f"/{listed['quick']['thumbnail']}").status_code == 200


def test_a_source_outside_web_mercator_is_listed_without_its_tiles(client: TestClient) -> None:
    pole = entries(client)["pole"]
    assert (pole["native_zoom"], pole["max_zoom"], pole["tilejson"]) == (None, None, None)
    assert pole["unavailable"] == "it lies outside web mercator"
    assert client.get(f"/{pole['thumbnail']}").status_code == 200
    assert client.get("/pole/embed.json").status_code == 404


def test_what_cannot_be_read_is_listed_with_the_reason_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    folder.mkdir()
    (folder / "broken.tif").write_bytes(b"no raster")
    sources: dict[str, Any] = {
        "broken": {"path": str(folder / "broken.tif")},
        "gone": {"path": str(folder / "gone.tif")},
        "good": {"path": str(cut(folder / "good.tif", "rgb")), "view": (-110.6435, 44.956, 20)},
    }
    cache = {"memory_bytes": 0, "disk_bytes": 0}
    with TestClient(make_app(read_settings(None, {"sources": sources, "cache": cache}))) as client:
        listed = entries(client)
    assert "not a raster that GDAL reads" in listed["broken"]["unavailable"]
    assert "no such file" in listed["gone"]["unavailable"].lower()
    for id in ("broken", "gone"):
        assert f"{id}.tif" in listed[id]["unavailable"]
        assert "my" not in listed[id]["unavailable"]
        assert "/" not in listed[id]["unavailable"]
        assert listed[id]["crs"] is None
    place = {"longitude": -110.6435, "latitude": 44.956, "zoom": 20}
    assert (listed["good"]["view"], listed["good"]["unavailable"]) == (place, None)


@pytest.mark.parametrize("path", ["x.vrt", "./x.vrt", "/srv/our data/x.vrt"])
def test_the_reason_names_no_folder_wherever_the_source_is_configured(path: str) -> None:
    failure = StartupError(f"{path}: /home/me/secret/member.tif: no such file")
    absent = Absent("one", SourceSettings(path=path), failure)
    reason = source_entry(absent, Request(scope_of("/sources.json")))["unavailable"]
    assert reason == "x.vrt: member.tif: no such file"


@pytest.mark.parametrize("view", [(181, 0, 5), (0, 91, 5), (0, 0, 31), (0, 0)])
def test_a_view_that_lies_nowhere_is_refused(view: tuple[float, ...]) -> None:
    with pytest.raises(StartupError, match="view"):
        read_settings(None, {"sources": {"one": {"path": "a.tif", "view": view}}})


def test_addresses_carry_the_key_of_the_query(demo: Path) -> None:
    key = {"sha256": hashed("a&b"), "sources": ["truth"]}
    settings = {"access": {"keys": {"one": key}}, "cache": {"memory_bytes": 0, "disk_bytes": 0}}
    with TestClient(make_app(read_settings(demo / "overzoom.yaml", settings))) as client:
        (entry,) = client.get("/sources.json?key=a%26b").json()
        assert entry["tilejson"] == "truth/tilejson.json?key=a%26b"
        assert client.get(f"/{entry['tilejson']}").status_code == 200
        assert client.get(f"/{entry['thumbnail']}").status_code == 200
        (entry,) = client.get("/sources.json", headers={"X-API-Key": "a&b"}).json()
        assert "key=" not in entry["tilejson"] + entry["thumbnail"]


def test_an_upstream_s_thumbnail_is_made_of_its_overviews(server: Service) -> None:
    upstream = {
        "url": f"{server.url}/yellowstone/{{z}}/{{x}}/{{y}}.png",
        "maxzoom": 19,
        "bounds": [-110.645, 44.955, -110.6421, 44.957],
    }
    settings = {
        "sources": {"up": {"upstream": upstream}},
        "remote_hosts": [server.url.removeprefix("http://")],
        "cache": {"memory_bytes": 0, "disk_bytes": 0},
    }
    with TestClient(make_app(read_settings(None, settings))) as client:
        picture = decoded(client.get(f"/{entries(client)['up']['thumbnail']}").content)
    shown = picture[..., 3] > 0 if picture.shape[2] == 4 else np.ones(picture.shape[:2], bool)
    assert shown.mean() > 0.5
    assert 100 < picture[shown][:, :3].mean() < 160
