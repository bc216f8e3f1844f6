"""A cached image service, as ArcGIS clients read it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from morecantile import Tile

from tests.support.server import Service
from tests.support.tiles import WEB_MERCATOR, path_of

NATIVE = 19


@pytest.mark.parametrize("zoom", [NATIVE, NATIVE + 1])
def test_tiles_by_level_row_and_column_are_the_tiles(
    server: Service, middle_tile: Callable[[int], Tile], zoom: int
) -> None:
    tile = middle_tile(zoom)
    asked = f"/yellowstone/ImageServer/tile/{tile.z}/{tile.y}/{tile.x}"
    expected = server.get(path_of(tile))
    for query in ("", "?blankTile=false"):
        answer = server.get(asked + query)
        assert answer.content == expected.content
        assert answer.headers["etag"] == expected.headers["etag"]
    webp = server.get(f"{asked}?format=webp&detail=0")
    assert webp.content == server.get(f"{path_of(tile, format='webp')}?detail=0").content
    assert server.get(f"/yellowstone/ImageServer/tile/{tile.z}/5/5").status_code == 404
    assert server.get("/yellowstone/ImageServer/tile/23/5/5").status_code == 404


def test_the_description_leads_to_the_tiles(server: Service) -> None:
    document = server.get("/yellowstone/ImageServer?f=json").json()
    assert document == server.get("/yellowstone/ImageServer?f=pjson").json()
    assert document["singleFusedMapCache"] is True
    assert "NEON" in document["copyrightText"]
    assert "synthesised" in document["description"]
    info, extent = document["tileInfo"], document["fullExtent"]
    assert [lod["level"] for lod in info["lods"]] == list(range(NATIVE + 4))
    assert info["lods"][0]["scale"] == pytest.approx(591657527.591555, rel=1e-6)
    lod = info["lods"][NATIVE]
    side = lod["resolution"] * info["cols"]
    col = int(((extent["xmin"] + extent["xmax"]) / 2 - info["origin"]["x"]) // side)
    row = int((info["origin"]["y"] - (extent["ymin"] + extent["ymax"]) / 2) // side)
    answer = server.get(f"/yellowstone/ImageServer/tile/{NATIVE}/{row}/{col}")
    assert answer.headers["content-type"] == "image/png"
    bounds = server.get("/yellowstone/tilejson.json").json()["bounds"]
    corner = WEB_MERCATOR.xy(*bounds[:2])
    assert (extent["xmin"], extent["ymin"]) == pytest.approx(corner, abs=1)


def test_other_forms_and_sources_are_refused(server: Service) -> None:
    assert server.get("/yellowstone/ImageServer?f=html").status_code == 422
    assert server.get("/nowhere/ImageServer?f=json").status_code == 404
