"""WMTS capabilities: which parameters of the request their addresses carry."""

from __future__ import annotations

import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from tests.support.server import Service
from tileserver.api.documents.tile_links import PICTURE_PARAMETERS

KEY = "a%26b"
"""The protected server's, as a query has it."""
CAPABILITIES = ("WMTSCapabilities.xml?", "wmts?SERVICE=WMTS&REQUEST=GetCapabilities&")


def tile_urls(document: str) -> list[str]:
    """The addresses of the whole world's tile, one a format."""
    templates = map(unescape, re.findall(r'template="([^"]+)"', document))
    place = {"{TileMatrixSet}": "WebMercatorQuad", "{TileMatrix}/{TileCol}/{TileRow}": "0/0/0"}
    return [
        re.sub("|".join(map(re.escape, place)), lambda found: place[found[0]], template)
        for template in templates
    ]


@pytest.mark.parametrize("path", CAPABILITIES)
def test_tiles_are_asked_for_with_what_they_take_and_nothing_else(
    server: Service, path: str
) -> None:
    query = (
        "mode=interpolated&bidx=2&bidx=1&bidx=3&foo=1&tile_format=webp&tilesize=512&VERSION=1.0.0"
    )
    answer = server.get(f"/yellowstone/{path}{query}")
    urls = tile_urls(answer.text)
    assert len(urls) == 3
    for url in urls:
        assert url.endswith("?mode=interpolated&bidx=2&bidx=1&bidx=3")


@pytest.mark.parametrize("path", CAPABILITIES)
def test_unknown_parameters_spoil_no_tile(server: Service, path: str) -> None:
    answer = server.get(f"/yellowstone/{path}foo=1&tile_format=webp")
    urls = tile_urls(answer.text)
    assert len(urls) == 3
    for url in urls:
        assert server.client.get(url).status_code == 200


def test_what_documents_hand_on_is_what_tiles_take(server: Service) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    route = paths["/{source}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}"]["get"]
    taken = {one["name"] for one in route["parameters"] if one["in"] == "query"}
    assert taken - {"scale", "tilesize"} == PICTURE_PARAMETERS


@pytest.mark.parametrize("path", CAPABILITIES)
def test_every_address_carries_the_key_of_the_query(protected: TestClient, path: str) -> None:
    document = protected.get(f"/truth/{path}mode=interpolated&key={KEY}").text
    (own,) = re.findall(r'<ServiceMetadataURL xlink:href="([^"]+)"', document)
    services = {unescape(one) for one in re.findall(r'<ows:Get xlink:href="([^"]+)"', document)}
    asked = [f"{one}SERVICE=WMTS&REQUEST=GetCapabilities" for one in services]
    for url in (unescape(own), *asked, *tile_urls(document)):
        assert url.count("mode=interpolated") == url.count(f"key={KEY}") == 1, url
        assert protected.get(url).status_code == 200, url
