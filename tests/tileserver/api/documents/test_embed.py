"""What the snippets are filled with: addresses, keys, views, and words that could break out."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from tests.support.keys import hashed
from tileserver.app import make_app
from tileserver.settings.server import Settings

IDS = [
    "xyz", "tilejson", "wmts", "leaflet", "openlayers", "maplibre", "qgis-xyz", "qgis-wmts",
    "iframe", "arcgis", "cesium", "josm", "gdal", "ipyleaflet", "folium",
]  # fmt: skip
SCRIPTS = ("qgis-xyz", "qgis-wmts", "ipyleaflet", "folium")
NOTE = "; detail past zoom 19 is synthesised"
WICKED = '"it\'s" </script><script>fail()</script> \\ {{ z }} \u2028 \n# 😀'


def snippets(client: TestClient, query: str = "", **headers: str) -> dict[str, str]:
    answer = client.get(f"/yellowstone/embed.json{query}", headers=headers)
    assert answer.status_code == 200
    return {one["id"]: one["text"] for one in answer.json()}


def strings(text: str) -> set[str]:
    """All strings in a script of Python."""
    nodes = ast.walk(ast.parse(text))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


@pytest.fixture
def client(app_settings: Callable[..., Settings]) -> Callable[..., TestClient]:
    def client(source: dict[str, Any] | None = None, **settings: object) -> TestClient:
        overrides = {"sources": {"yellowstone": source or {}}, **settings}
        return TestClient(make_app(app_settings(**overrides)))

    return client


def test_there_is_one_for_each_client_with_a_title_and_its_language(
    client: Callable[..., TestClient],
) -> None:
    entries = client().get("/yellowstone/embed.json").json()
    assert [one["id"] for one in entries] == IDS
    assert all(set(one) == {"id", "title", "language", "text"} for one in entries)
    assert {one["language"] for one in entries} == {"text", "html", "javascript", "xml", "python"}


def test_addresses_are_the_public_ones(client: Callable[..., TestClient]) -> None:
    for text in snippets(client(public_url="https://maps.example/sr")).values():
        assert re.search("https://maps.example/sr/#?yellowstone/", text)
        assert "testserver" not in text


def test_a_key_of_the_query_is_in_every_address_and_one_of_a_header_in_none(
    client: Callable[..., TestClient],
) -> None:
    key = "a&b=c{z}"
    keys = {"us": {"sha256": hashed(key), "sources": ["yellowstone"]}}
    closed = client(access={"keys": keys})
    assert closed.get("/yellowstone/embed.json").status_code == 401
    for id, text in snippets(closed, "?key=a%26b%3Dc%7Bz%7D").items():
        if id.startswith("qgis"):
            (url,) = parse_qs("&".join(strings(text)))["url"]
            assert url.endswith("?key=a%26b%3Dc%7Bz%7D"), "decoded once, it is the address"
        else:
            assert "?key=a%26b%3Dc%7Bz%7D" in text
    for text in snippets(closed, **{"X-API-Key": key}).values():
        assert "key=" not in text


def test_words_of_the_configuration_stay_words(client: Callable[..., TestClient]) -> None:
    texts = snippets(client({"title": WICKED, "attribution": WICKED}))
    for id, text in texts.items():
        if id in ("leaflet", "openlayers", "maplibre"):
            assert text.count("fail()") == 2
            assert text.count("<script") == text.count("</script>") == 2
            (written,) = re.findall(r'attributions?: ("(?:[^"\\]|\\.)*")', text)
            assert json.loads(written) == WICKED + NOTE
        elif id in SCRIPTS:
            assert {WICKED, WICKED + NOTE} & strings(text)
        elif id in ("arcgis", "cesium"):
            (written,) = re.findall(r'(?:copyright:|Credit\() ?("(?:[^"\\]|\\.)*")', text)
            assert json.loads(written) == WICKED + NOTE
        elif id in ("gdal", "iframe"):
            root = ElementTree.fromstring(text)
            assert root.get("title", WICKED).split() == WICKED.split()


def test_a_view_is_kept_within_what_the_map_can_show(client: Callable[..., TestClient]) -> None:
    open_ = client()
    assert (
        "setView([45.5, -110.25], 21)"
        in snippets(open_, "?zoom=20.6&lon=-110.25&lat=45.5")["leaflet"]
    )
    assert "zoom: 20.6," in snippets(open_, "?zoom=20.6")["openlayers"]
    assert "zoom: 24," in snippets(open_, "?zoom=30")["openlayers"]
    for wrong in ("zoom=nan", "zoom=31", "lon=181", "lat=-91", "lat=inf", "zoom=x"):
        assert open_.get(f"/yellowstone/embed.json?{wrong}").status_code == 422


def test_where_nothing_is_drawn_past_native_maps_open_on_native(
    client: Callable[..., TestClient],
) -> None:
    text = snippets(client(extra_zooms=0))["openlayers"]
    assert "zoom: 19," in text
    assert "maxZoom: 19," in text


def test_addresses_come_first_and_keep_the_chosen_picture(
    client: Callable[..., TestClient],
) -> None:
    query = "?noise_seed=1&bidx=1&rescale=0%2C100&colormap_name=viridis"
    with client() as open_:
        texts = snippets(open_, query)
        assert list(texts)[:3] == ["xyz", "tilejson", "wmts"]
        base = "http://testserver/yellowstone"
        assert texts["xyz"] == f"{base}/{{z}}/{{x}}/{{y}}.webp{query}"
        assert texts["tilejson"] == f"{base}/tilejson.json{query}"
        assert texts["wmts"] == f"{base}/WMTSCapabilities.xml{query}"
        assert texts["josm"] == f"tms[0,22]:{base}/{{zoom}}/{{x}}/{{y}}.png{query}"
        document = open_.get(texts["tilejson"]).json()
        assert query[1:] in document["tiles"][0]
        assert query[1:] in open_.get(texts["wmts"]).text.replace("&amp;", "&")
    for id in set(texts) - {"tilejson", "wmts", "qgis-wmts", "qgis-xyz", "iframe"}:
        text = texts[id].replace("&amp;", "&").replace("\\u0026", "&")
        assert query in text, id


def test_the_page_in_a_frame_opens_on_what_was_chosen(client: Callable[..., TestClient]) -> None:
    open_ = client()

    def address(**shown: object) -> str:
        text = snippets(open_, f"?{urlencode({'zoom': 20, 'lon': 1, 'lat': 2, **shown})}")["iframe"]
        (url,) = re.findall(r'src="([^"]+)"', text)
        return url.replace("&amp;", "&").removeprefix("http://testserver/#yellowstone/20/2.0/1.0")

    assert address() == "?mode=single"
    assert address(noise_seed=2) == "?mode=single&sample=2"
    assert address(mode="interpolated") == "?other=interpolated"
    assert address(detail=0) == "?other=mean"
    shown = address(bidx=2, rescale="0,9.5", colormap_name="magma")
    assert shown == "?mode=single&bands=2&stretch=0%2C9.5&colours=magma"


def test_what_the_source_cannot_show_is_refused(client: Callable[..., TestClient]) -> None:
    open_ = client()
    for wrong in ("noise_seed=99", "detail=0.3", "mode=none", "bidx=4", "colormap_name=viridis"):
        assert open_.get(f"/yellowstone/embed.json?{wrong}").status_code == 422


def test_who_shows_synthesised_detail_says_so(client: Callable[..., TestClient]) -> None:
    open_ = client({"attribution": "Us"})

    def attribution(query: str = "") -> object:
        return open_.get(f"/yellowstone/tilejson.json{query}").json().get("attribution")

    assert attribution() == "Us; detail past zoom 19 is synthesised"
    assert attribution("?detail=0") == attribution()
    assert attribution("?tilesize=512") == "Us; detail past zoom 18 is synthesised"
    assert attribution("?mode=interpolated") == "Us"
    flat = client(extra_zooms=0)
    assert "synthesised" not in flat.get("/yellowstone/tilejson.json").json()["attribution"]
