"""Maps as GeoTIFFs: values, place, and what is no data, as GDAL reads them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from starlette.testclient import TestClient

from tests.support.rasters import cut
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver.app import make_app
from tileserver.settings.reading import read_settings

BOX = "bbox=-110.6440,44.9563,-110.6436,44.9567&width=200&height=200&crs=EPSG:3857"
KINDS = {"mask": 4, "grey": 2, "float": 3, "nan": 3, "signed": 3, "uint16": 3, "five": 5}
"""How many bands the file of each kind of raster has: pictures of 8 bits have alpha."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("kinds")
    sources = {
        kind: {"path": str(cut(folder / f"{kind}.tif", kind)), "title": f"Of {kind}"}
        for kind in KINDS
    }
    sources["grey"]["attribution"] = 'By <a href="https://a.example">A&amp;B</a>'
    cache = {"folder": str(folder / "cache")}
    settings = read_settings(None, {"sources": sources, "cache": cache, "deadline_seconds": 300})
    with TestClient(make_app(settings)) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_s_values_are_exact_and_what_is_no_data_is_known_to_gdal(
    client: TestClient, kind: str
) -> None:
    valid = check_values(client, f"/{kind}/map?{BOX}&f=npy", f"/{kind}/map?{BOX}&f=tif", kind)
    holes = {"mask", "float", "nan", "signed"}
    assert valid.any()
    assert valid.all() == (kind not in holes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tile_s_values_are_exact_and_what_is_no_data_is_known_to_gdal(
    client: TestClient, kind: str
) -> None:
    west, south, *_ = client.get(f"/{kind}/tilejson.json").json()["bounds"]
    corner = WEB_MERCATOR.tile(west, south, 20)  # most of it lies beside the raster
    valid = check_values(client, path_of(corner, kind, "npy"), path_of(corner, kind, "tif"), kind)
    assert valid.any()
    assert not valid.all()


def check_values(client: TestClient, array: str, file: str, kind: str) -> NDArray[np.bool_]:
    """Where there is data, once a GeoTIFF is found to say and hold what an array file does."""
    values = np.load(BytesIO(client.get(array).content))
    bands, valid = values[:-1], values[-1] > 0
    answer = client.get(file)
    with rasterio.MemoryFile(answer.content) as memory, memory.open() as made:
        assert (made.crs.to_epsg(), made.count) == (3857, KINDS[kind])
        assert made.dtypes[0] == bands.dtype
        assert np.array_equal(made.dataset_mask() > 0, valid)
        assert np.array_equal(made.read()[: len(bands), valid], bands[:, valid])
        alpha = ColorInterp.alpha in made.colorinterp
        assert alpha == (len(bands) < KINDS[kind])
        if bands.dtype.kind == "f":
            assert np.isnan(made.nodata)
        elif not alpha:
            assert made.mask_flag_enums[0] == [MaskFlags.per_dataset]
    return valid


@pytest.mark.parametrize("kind", ["map", "tile"])
def test_a_file_says_what_it_shows_and_whose_it_is(client: TestClient, kind: str) -> None:
    tile = path_of(WEB_MERCATOR.tile(-110.6438, 44.9565, 20), "grey", "tif")
    answer = client.get(tile if kind == "tile" else f"/grey/map?{BOX}&f=tif")
    with rasterio.MemoryFile(answer.content) as file, file.open() as made:
        tags = made.tags()
    assert tags["TIFFTAG_IMAGEDESCRIPTION"].startswith("Of grey; zoom 2")
    assert "synthesised detail: the imagery ends at zoom 19" in tags["TIFFTAG_IMAGEDESCRIPTION"]
    assert tags["TIFFTAG_COPYRIGHT"] == "By A&B"
    native = client.get("/grey/map?width=40&f=tif")
    with rasterio.MemoryFile(native.content) as file, file.open() as made:
        assert "synthesised" not in made.tags()["TIFFTAG_IMAGEDESCRIPTION"]


def test_a_tile_whose_attribution_changes_is_another_file_but_the_same_picture(
    tmp_path: Path,
) -> None:
    etags = []
    path = str(cut(tmp_path / "grey.tif", "grey"))
    place = WEB_MERCATOR.tile(-110.6438, 44.9565, 18)
    for credit in ("A", "B"):
        source = {"path": path, "attribution": credit}
        options = {"sources": {"grey": source}, "cache": {"folder": str(tmp_path / "cache")}}
        with TestClient(make_app(read_settings(None, options))) as client:
            answers = [client.get(path_of(place, "grey", format)) for format in ("tif", "png")]
        with rasterio.MemoryFile(answers[0].content) as file, file.open() as made:
            assert made.tags()["TIFFTAG_COPYRIGHT"] == credit
        etags.append([answer.headers["etag"] for answer in answers])
    assert etags[0][0] != etags[1][0]
    assert etags[0][1] == etags[1][1]


def test_beside_the_source_a_file_has_the_same_bands_without_data(client: TestClient) -> None:
    query = "SERVICE=WMS&VERSION=1.1.1&REQUEST=GetMap&LAYERS=float&STYLES=&SRS=EPSG:3857"
    answer = client.get(f"/wms?{query}&BBOX=0,0,10,10&WIDTH=20&HEIGHT=20&FORMAT=image/tiff")
    with rasterio.MemoryFile(answer.content) as file, file.open() as made:
        assert made.dtypes == ("float32",) * 3
        assert not made.dataset_mask().any()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/tiff; application=geotiff", "image/tiff"),
        ("image/tiff", "image/tiff"),
        ("image/png;q=0.5, image/tiff;q=0.9, */*;q=0.1", "image/tiff"),
        ("image/jpeg", "image/jpeg"),
        ("image/avif,image/webp,image/*,*/*;q=0.8", "image/png"),
        ("text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8", "image/png"),
        ("*/*", "image/png"),
        ("", "image/png"),
        ("application/json", "image/png"),
        ("image/webp;q=much, image/jpeg;q=0.1", "image/jpeg"),
    ],
)
def test_the_format_is_what_is_accepted_unless_it_is_named(
    client: TestClient, accept: str, media_type: str
) -> None:
    answer = client.get(f"/grey/map?{BOX}", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(media_type)
    assert "Accept" in answer.headers["vary"].split(", ")
    named = client.get(f"/grey/map?{BOX}&f=webp", headers={"Accept": accept})
    assert named.headers["content-type"] == "image/webp"
    assert "Accept" not in named.headers.get("vary", "").split(", ")
