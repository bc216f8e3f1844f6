"""WMS 1.3.0 and 1.1.1: capabilities, maps, and errors in the form that is asked for."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from morecantile import Tile
from starlette.testclient import TestClient

from tests.support.classes import write_classes
from tests.support.maps import box_of
from tests.support.pictures import occupy_denoiser
from tests.support.tiles import decoded, path_of
from tileserver.app import make_app
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

NATIVE = 19
DEGREES = "-110.6440,44.9555,-110.6430,44.9562"
NORTH_FIRST = "44.9555,-110.6440,44.9562,-110.6430"
OGC = {"w": "http://www.opengis.net/wms", "o": "http://www.opengis.net/ogc"}
MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="module")
def client(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of the demo scene in this process."""
    cache = {"folder": str(tmp_path_factory.mktemp("cache"))}
    values = {"cache": cache, "deadline_seconds": 300}
    with TestClient(make_app(read_settings(config, values))) as client:
        yield client


def map_query(bbox: str, crs: str = "EPSG:3857", version: str = "1.3.0", **others: Any) -> str:
    values: dict[str, Any] = {
        "SERVICE": "WMS",
        "VERSION": version,
        "REQUEST": "GetMap",
        "LAYERS": "yellowstone",
        "STYLES": "",
        "CRS" if version == "1.3.0" else "SRS": crs,
        "BBOX": bbox,
        "WIDTH": 256,
        "HEIGHT": 256,
        "FORMAT": "image/png",
        **others,
    }
    return "&".join(f"{name}={value}" for name, value in values.items() if value is not None)


@pytest.mark.parametrize("service", ["/wms", "/yellowstone/wms"])
@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
@pytest.mark.parametrize("zoom", [NATIVE, NATIVE + 1])
def test_the_map_of_a_tile_is_the_tile_bit_for_bit(
    client: TestClient, middle_tile: Callable[[int], Tile], service: str, version: str, zoom: int
) -> None:
    tile = middle_tile(zoom)
    answer = client.get(f"{service}?{map_query(box_of(tile), version=version)}")
    assert answer.headers["content-type"] == "image/png"
    expected = client.get(path_of(tile))
    assert np.array_equal(decoded(answer.content), decoded(expected.content))
    assert answer.headers["x-overzoom"] == expected.headers["x-overzoom"]


def test_latitude_comes_first_in_the_newer_version_and_last_in_the_older(
    client: TestClient,
) -> None:
    size: dict[str, Any] = {"WIDTH": 150, "HEIGHT": 100}
    asked = [
        map_query(NORTH_FIRST, "EPSG:4326", **size),
        map_query(DEGREES, "CRS:84", **size),
        map_query(DEGREES, "EPSG:4326", "1.1.1", **size),
        map_query(DEGREES, "EPSG:4326", None, **size),  # type: ignore[arg-type]  # no version on purpose
    ]
    shown = [client.get(f"/wms?{query}") for query in asked]
    assert [answer.headers["content-type"] for answer in shown] == ["image/png"] * 4
    assert len({answer.content for answer in shown}) == 1
    assert decoded(shown[0].content).std() > 10


def test_styles_are_the_ways_to_make_detail(
    client: TestClient, middle_tile: Callable[[int], Tile]
) -> None:
    tile = middle_tile(NATIVE + 1)
    queries = {
        "": "",
        "default": "",
        "super-resolved": "",
        "best-estimate": "?detail=0",
        "interpolated": "?mode=interpolated",
    }
    for style, query in queries.items():
        answer = client.get(f"/wms?{map_query(box_of(tile), STYLES=style)}")
        expected = client.get(path_of(tile) + query)
        assert np.array_equal(decoded(answer.content), decoded(expected.content)), style
        assert answer.headers["x-overzoom"] == expected.headers["x-overzoom"]
    answer = client.get(f"/wms?{map_query(box_of(tile), noise_seed=1, bidx=1)}")
    expected = client.get(f"{path_of(tile)}?noise_seed=1&bidx=1")
    assert np.array_equal(decoded(answer.content), decoded(expected.content))


def test_transparency_is_on_request_and_the_background_is_white(client: TestClient) -> None:
    around = "-110.66,44.94,-110.63,44.97"

    def corner(**others: Any) -> list[int]:
        answer = client.get(f"/wms?{map_query(around, 'CRS:84', **others)}")
        return list(decoded(answer.content)[0, 0].tolist())

    assert corner() == [255, 255, 255]
    assert corner(BGCOLOR="0x102030") == [16, 32, 48]
    assert corner(TRANSPARENT="TRUE") == [0, 0, 0, 0]
    assert min(corner(TRANSPARENT="TRUE", FORMAT="image/jpeg")) > 250


def test_beside_the_source_a_layer_shows_nothing(client: TestClient) -> None:
    others: dict[str, Any]
    for others, levels in (({}, [255] * 3), ({"TRANSPARENT": "TRUE"}, [0] * 4)):
        answer = client.get(f"/wms?{map_query('1,1,2,2', 'CRS:84', WIDTH=40, **others)}")
        assert answer.headers["content-type"] == "image/png"
        shown = decoded(answer.content)
        assert shown.shape[:2] == (256, 40)
        assert (shown == levels).all()


@pytest.mark.parametrize("service", ["/wms", "/yellowstone/wms"])
@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
def test_capabilities_name_layers_styles_and_limits(
    client: TestClient, service: str, version: str
) -> None:
    answer = client.get(f"{service}?service=wms&Request=GetCapabilities&version={version}")
    assert answer.status_code == 200
    document = ET.fromstring(answer.text)
    assert document.attrib["version"] == version
    prefix = "w:" if version == "1.3.0" else ""
    kind = "text/xml" if version == "1.3.0" else "application/vnd.ogc.wms_xml"
    assert answer.headers["content-type"].startswith(kind)
    layers = document.findall(f".//{prefix}Layer/{prefix}Layer", OGC)
    names = [layer.findtext(f"{prefix}Name", None, OGC) for layer in layers]
    assert names == (["yellowstone", "truth"] if service == "/wms" else ["yellowstone"])
    styles = [name.text for name in layers[0].findall(f"{prefix}Style/{prefix}Name", OGC)]
    assert styles == ["default", "super-resolved", "best-estimate", "interpolated"]
    attribute = "CRS" if version == "1.3.0" else "SRS"
    boxes = {
        box.attrib[attribute]: [float(box.attrib[name]) for name in ("minx", "miny")]
        for box in layers[0].findall(f"{prefix}BoundingBox", OGC)
    }
    north_first = [44.9549, -110.645]
    degrees = north_first if version == "1.3.0" else north_first[::-1]
    assert boxes["EPSG:4326"] == pytest.approx(degrees, abs=1e-3)
    assert boxes["EPSG:3857"] == pytest.approx([-12316945, 5614000], rel=1e-3)
    assert "EPSG:26912" in boxes or "EPSG:32612" in boxes, "the raster's own"
    if version == "1.3.0":
        assert document.findtext("w:Service/w:MaxWidth", None, OGC) == "4096"


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ({"LAYERS": "nowhere"}, "LayerNotDefined", "no such source"),
        ({"LAYERS": "yellowstone,truth"}, "LayerNotDefined", "layers: one of"),
        ({"STYLES": "pretty"}, "StyleNotDefined", "styles: one of default"),
        ({"FORMAT": "image/gif"}, "InvalidFormat", "format: png"),
        ({"FORMAT": None}, None, "format: missing"),
        ({"CRS": "EPSG:999999"}, "InvalidCRS", "crs: the code"),
        ({"CRS": None}, None, "crs: missing"),
        ({"BBOX": "1,2,3"}, None, "bbox: four"),
        ({"WIDTH": "99999"}, None, "width: 1 to 4096 pixels"),
        ({"WIDTH": "x"}, None, "width: 1 to 4096 pixels"),
        ({"WIDTH": "00000000105000"}, None, "width: 1 to 4096 pixels"),
        ({"WIDTH": "9" * 5000}, None, "width: 1 to 4096 pixels"),
        ({"BGCOLOR": "rgb(999,1,1)", "EXCEPTIONS": "XML"}, None, "bgcolor: a colour"),
        ({"CRS": "EPSG:2049"}, "InvalidCRS", "crs: the code"),
        ({"BGCOLOR": "?"}, None, "bgcolor: a colour"),
        ({"TRANSPARENT": "maybe"}, None, "transparent: TRUE or FALSE"),
        ({"REQUEST": "GetFeatureInfo"}, "OperationNotSupported", "GetCapabilities or GetMap"),
        ({"REQUEST": None}, "OperationNotSupported", "GetCapabilities or GetMap"),
        ({"SERVICE": "WFS"}, None, "service: WMS"),
        ({"mode": "magic"}, None, "mode: "),
        ({"bidx": "99"}, None, "bidx: "),
    ],
)
def test_errors_are_service_exceptions(
    client: TestClient, asked: dict[str, Any], code: str | None, text: str
) -> None:
    answer = client.get(f"/wms?{map_query('0,0,1,1', 'EPSG:3857', **asked)}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.headers["cache-control"].endswith("no-store")
    error = ET.fromstring(answer.text).find("o:ServiceException", OGC)
    assert error is not None
    assert error.attrib.get("code") == code
    assert text in (error.text or "")


def test_the_older_version_has_exceptions_of_its_own(client: TestClient) -> None:
    answer = client.get(f"/wms?{map_query('0,0,1,1', 'EPSG:0', '1.1.1')}")
    assert answer.headers["content-type"] == "application/vnd.ogc.se_xml"
    error = ET.fromstring(answer.text).find("ServiceException")
    assert error is not None
    assert error.attrib == {"code": "InvalidSRS"}


@pytest.mark.parametrize("prefix", ["", "application/vnd.ogc.se_"])
def test_errors_are_written_on_the_map_or_leave_it_blank(client: TestClient, prefix: str) -> None:
    asked: dict[str, Any] = {"LAYERS": "nowhere", "WIDTH": 300, "HEIGHT": 100}
    shown = {}
    for form in ("inimage", "blank"):
        query = map_query("0,0,1,1", EXCEPTIONS=prefix + form, **asked)
        answer = client.get(f"/wms?{query}")
        assert answer.headers["content-type"] == "image/png"
        shown[form] = decoded(answer.content)
        assert shown[form].shape[:2] == (100, 300)
    assert (shown["blank"] == 255).all()
    assert 20 < (shown["inimage"] < 128).any(axis=-1).sum() < 3000, "text on white"
    query = map_query("0,0,1,1", EXCEPTIONS=f"{prefix}BLANK", TRANSPARENT="TRUE", **asked)
    assert (decoded(client.get(f"/wms?{query}").content)[..., 3] == 0).all()
    asked |= {"BGCOLOR": "rgb(999,1,1)", "WIDTH": 1}
    query = map_query("0,0,1,1", EXCEPTIONS=f"{prefix}BLANK", **asked)
    assert decoded(client.get(f"/wms?{query}").content).shape[:2] == (100, 1)


def test_a_busy_server_says_when_to_ask_again(
    app_settings: MakeSettings, middle_tile: Callable[[int], Tile]
) -> None:
    with (
        TestClient(make_app(app_settings(deadline_seconds=1))) as client,
        occupy_denoiser(client),
    ):
        answer = client.get(f"/wms?{map_query(box_of(middle_tile(NATIVE + 1)))}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "busy" in answer.text
    assert answer.headers["content-type"].startswith("text/xml")


def test_a_layer_of_classes_has_one_style(tmp_path: Path) -> None:
    path = write_classes(tmp_path / "classes.tif")
    values = {
        "sources": {"classes": {"path": str(path)}},
        "cache": {"folder": str(tmp_path / "cache")},
    }
    with TestClient(make_app(read_settings(None, values))) as client:
        document = ET.fromstring(client.get("/wms?request=GetCapabilities").text)
        (layer,) = document.findall(".//w:Layer/w:Layer", OGC)
        assert [name.text for name in layer.findall("w:Style/w:Name", OGC)] == ["default"]
        asked = map_query("0,0,1,1", LAYERS="classes", STYLES="interpolated")
        assert "StyleNotDefined" in client.get(f"/wms?{asked}").text


def test_where_everybody_sees_the_same_maps_are_public(client: TestClient) -> None:
    query = map_query(DEGREES, "CRS:84", WIDTH=32, HEIGHT=32)
    controls = {
        client.get(f"{path}?{query}").headers["cache-control"]
        for path in ("/wms", "/yellowstone/wms")
    }
    assert controls == {"public, max-age=3600"}


def test_keys_decide_which_layers_there_are(config: Path, tmp_path: Path) -> None:
    key = {"sha256": sha256(b"secret").hexdigest(), "sources": ["yellowstone"]}
    values = {
        "access": {"keys": {"map": key}, "public": ["truth"]},
        "cache": {"folder": str(tmp_path / "cache")},
    }
    with TestClient(make_app(read_settings(config, values))) as client:

        def layers(query: str) -> list[str | None]:
            answer = client.get(f"/wms?request=GetCapabilities{query}")
            assert "public" not in answer.headers["cache-control"]
            found = ET.fromstring(answer.text).findall(".//w:Layer/w:Layer/w:Name", OGC)
            return [name.text for name in found]

        assert layers("") == ["truth"]
        assert layers("&key=secret") == ["yellowstone", "truth"]
        document = client.get("/wms?request=GetCapabilities&key=secret").text
        assert "/wms?key=secret&amp;" in document
        query = map_query(DEGREES, "CRS:84", WIDTH=32, HEIGHT=32)
        assert client.get(f"/wms?{query}").status_code == 401
        assert client.get(f"/yellowstone/wms?{query}").status_code == 401
        assert client.get(f"/yellowstone/map?bbox={DEGREES}").status_code == 401
        drawn = client.get(f"/wms?{query}&key=secret")
        assert drawn.headers["content-type"] == "image/png"
        assert "private" in drawn.headers["cache-control"]
        assert {"Authorization", "X-API-Key"} <= {*drawn.headers["vary"].split(", ")}


@pytest.mark.parametrize("form", ["INIMAGE", "BLANK"])
@pytest.mark.parametrize(("width", "shown"), [(3000, 3000), (5000, 256)])
def test_an_error_is_shown_on_a_map_as_large_as_any(
    client: TestClient, form: str, width: int, shown: int
) -> None:
    query = map_query("0,0,1,1", EXCEPTIONS=form, STYLES="nothing", WIDTH=width, HEIGHT=8)
    for service in ("/wms", "/yellowstone/wms"):
        assert decoded(client.get(f"{service}?{query}").content).shape[:2] == (8, shown)
