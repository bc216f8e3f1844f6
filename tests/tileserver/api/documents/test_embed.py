"""What the snippets are filled with: addresses, keys, views, and words that could break out."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.testclient import TestClient

from tests.support.keys import hashed
from tileserver.app import make_app
from tileserver.settings.server import Settings

IDS = ["leaflet", "openlayers", "maplibre", "qgis-xyz", "qgis-wmts", "ipyleaflet", "folium"]
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
    assert {one["language"] for one in entries} == {"html", "python"}


def test_addresses_are_the_public_ones(client: Callable[..., TestClient]) -> None:
    for text in snippets(client(public_url="https://maps.example/sr")).values():
        assert "https://maps.example/sr/yellowstone/" in text
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
            assert json.loads(written) == WICKED
        else:
            assert WICKED in strings(text)


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
