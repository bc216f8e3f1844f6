"""What is shown of a picture, by titiler's parameters, after super-resolution."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import morecantile
import numpy as np
import pytest
import rasterio
import torch
import yaml
from PIL import Image
from rasterio.io import MemoryFile
from rio_tiler.colormap import cmap

from engine.network.projection import pool
from tests.support.rasters import cut
from tests.support.server import Service, serving
from tests.support.tiles import decoded
from tileserver.errors import OutOfRange
from tileserver.middleware.guard import URL_BYTES
from tileserver.origins.origin import file_origin
from tileserver.rasters.inspection import inspect_origin
from tileserver.tiles.levels import render_levels
from tileserver.tiles.rendering import Rendering

DEEP = 1


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server of rasters of several kinds, all of the same ground."""
    folder = tmp_path_factory.mktemp("kinds")
    for kind in ("rgb", "grey", "uint16", "four", "nodata"):
        cut(folder / f"{kind}.tif", kind)
    config = folder / "overzoom.yaml"
    sources = {path.stem: {"path": path.name} for path in folder.glob("*.tif")}
    config.write_text(yaml.safe_dump({"sources": sources}))
    with serving(config, folder / "cache") as server:
        yield server


def tile_of(server: Service, source: str, depth: int = DEEP) -> str:
    """The path of a tile in the raster's middle, so much deeper than native."""
    document = server.get(f"/{source}/tilejson.json").json()
    west, south, east, north = document["bounds"]
    zoom = document["overzoom"]["native_maxzoom"] + depth
    tile = morecantile.tms.get("WebMercatorQuad").tile((west + east) / 2, (south + north) / 2, zoom)
    return f"/{source}/{tile.z}/{tile.x}/{tile.y}"


def levels(server: Service, path: str) -> np.ndarray:
    answer = server.get(path)
    assert answer.status_code == 200, answer.text
    return decoded(answer.content)


def array(server: Service, path: str) -> np.ndarray:
    return np.load(BytesIO(server.get(path).content))


def test_every_format_holds_the_same_picture(kinds: Service) -> None:
    path = tile_of(kinds, "rgb")
    exact = levels(kinds, f"{path}.png").astype(int)
    for format, tolerance in (("webp", 6), ("jpg", 6), ("avif", 8)):
        answer = kinds.get(f"{path}.{format}")
        assert answer.headers["content-type"] == f"image/{format.replace('jpg', 'jpeg')}"
        assert np.abs(decoded(answer.content).astype(int) - exact).mean() < tolerance
    values = array(kinds, f"{path}.npy")
    assert values.shape == (4, 256, 256)
    assert (values[3] == 255).all()
    assert np.array_equal(values[:3].transpose(1, 2, 0), exact)
    answer = kinds.get(f"{path}.tif")
    assert answer.headers["content-type"] == "image/tiff; application=geotiff"
    with MemoryFile(answer.content) as file, file.open() as dataset:
        assert dataset.crs.to_epsg() == 3857
        assert np.array_equal(dataset.read()[:3].transpose(1, 2, 0), exact)
        west, south, east, north = rasterio.warp.transform_bounds(
            dataset.crs, "EPSG:4326", *dataset.bounds
        )
    whole = kinds.get("/rgb/tilejson.json").json()["bounds"]
    assert whole[0] - 1e-4 < west < east < whole[2] + 1e-4
    assert whole[1] - 1e-4 < south < north < whole[3] + 1e-4


def test_values_of_many_bits_come_back_in_their_own_type(kinds: Service) -> None:
    path = tile_of(kinds, "uint16")
    deep, native = array(kinds, f"{path}.npy"), array(kinds, f"{tile_of(kinds, 'uint16', 0)}.npy")
    assert deep.dtype == native.dtype == np.uint16
    assert native[:3].max() > 4000
    row, col = (int(index) % 2 * 128 for index in reversed(path.split("/")[3:]))
    means = pool(torch.from_numpy(deep[:3].astype(np.float32))).numpy()
    assert np.abs(means - native[:3, row : row + 128, col : col + 128]).max() <= 1


def test_a_tile_of_512_px_is_its_four_children(kinds: Service) -> None:
    path = tile_of(kinds, "rgb")
    _, source, z, x, y = path.split("/")
    children = [
        [
            levels(kinds, f"/{source}/{int(z) + 1}/{2 * int(x) + i}/{2 * int(y) + j}.png")
            for i in (0, 1)
        ]
        for j in (0, 1)
    ]
    expected = np.vstack([np.hstack(row) for row in children])
    retina = kinds.get(f"{path}@2x.png")
    assert np.array_equal(decoded(retina.content), expected)
    assert retina.headers["x-overzoom-scale"] == "3.8"
    by_grid = kinds.get(f"/{source}/tiles/WebMercatorQuad/{z}/{x}/{y}.png?tilesize=512")
    assert by_grid.content == retina.content
    assert by_grid.headers["etag"] == retina.headers["etag"]
    document = kinds.get("/rgb/tilejson.json?tilesize=512").json()
    assert "tilesize=512" in document["tiles"][0]
    plain = kinds.get("/rgb/tilejson.json").json()
    assert document["maxzoom"] == plain["maxzoom"] - 1
    assert kinds.get(f"{tile_of(kinds, 'rgb', 3)}@2x.png").status_code == 404
    assert kinds.get(f"{path}@2x.png?tilesize=256").status_code == 422


def test_overviews_come_in_512_px_too(kinds: Service) -> None:
    answer = kinds.get(f"{tile_of(kinds, 'rgb', -2)}@2x.png")
    assert answer.status_code == 200
    assert answer.headers["x-overzoom"] == "native"
    assert decoded(answer.content).shape[:2] == (512, 512)


@pytest.mark.parametrize("depth", [-2, 0, DEEP])
def test_bands_are_chosen_after_super_resolution(kinds: Service, depth: int) -> None:
    path = tile_of(kinds, "four", depth)
    plain = levels(kinds, f"{path}.png")
    swapped = levels(kinds, f"{path}.png?bidx=3&bidx=2&bidx=1")
    assert np.array_equal(swapped[..., :3], plain[..., 2::-1])
    alone = levels(kinds, f"{path}.png?bidx=2")
    assert np.array_equal(alone if alone.ndim == 2 else alone[..., 0], plain[..., 1])
    infrared = levels(kinds, f"{path}.png?bidx=4")
    assert infrared.shape[:2] == (256, 256)


def test_rescaling_is_of_the_sources_own_values(kinds: Service) -> None:
    path = tile_of(kinds, "uint16")
    values = array(kinds, f"{path}.npy")[:3].astype(float)
    shown = levels(kinds, f"{path}.png?rescale=2000,9000").transpose(2, 0, 1)
    expected = np.clip((values - 2000) / 7000 * 255, 0, 255)
    assert np.abs(shown[:3] - expected).max() <= 1
    apart = levels(kinds, f"{path}.png?rescale=2000,9000&rescale=0,65535&rescale=0,9000")
    assert np.array_equal(apart[..., 0], shown[0])
    assert apart[..., 1].max() < 60


def test_colour_maps_and_formulas_are_titilers(kinds: Service) -> None:
    path = tile_of(kinds, "grey")
    grey = levels(kinds, f"{path}.png")
    table = np.array([cmap.get("viridis")[level][:3] for level in range(256)])
    assert np.array_equal(levels(kinds, f"{path}.png?colormap_name=viridis")[..., :3], table[grey])
    classes = quote(json.dumps([[[0, 100], "#102030"], [[100, 256], "#405060"]]))
    two = levels(kinds, f"{path}.png?colormap={classes}")
    assert np.array_equal(two[..., 0], np.where(grey < 100, 0x10, 0x40))
    colours = tile_of(kinds, "rgb")
    brighter = levels(kinds, f"{colours}.png?color_formula={quote('gamma RGB 1.8')}")
    assert brighter.mean() > levels(kinds, f"{colours}.png").mean() + 10


def test_a_colour_map_may_have_a_colour_for_every_level_and_no_more(kinds: Service) -> None:
    colours = {str(level): [level, 255 - level, 128, 255] for level in range(256)}
    intervals = [[[level, level + 1], colour] for level, colour in enumerate(colours.values())]
    too_many = {**colours, "256": [0, 0, 0, 255]}
    text = "colormap: the name of a colour map, or a map of up to 256 colours in JSON"
    for path in (f"{tile_of(kinds, 'grey', 0)}.png", "/grey/preview.png", "/grey/tilejson.json"):
        for shown in (colours, intervals):
            query = f"colormap={quote(json.dumps(shown, separators=(',', ':')))}"
            assert len(query) < URL_BYTES - len(path)
            answer = kinds.get(f"{path}?{query}")
            assert answer.status_code == 200, answer.text
        answer = kinds.get(f"{path}?colormap={quote(json.dumps(too_many))}")
        assert (answer.status_code, answer.json()) == (422, {"detail": text})
    path = f"{tile_of(kinds, 'grey')}.png"
    made = levels(kinds, f"{path}?colormap={quote(json.dumps(colours))}")
    table = np.array(list(colours.values()))[:, :3]
    assert np.array_equal(made[..., :3], table[levels(kinds, path)])


def test_what_is_documented_of_a_formula_is_what_holds(kinds: Service) -> None:
    route = kinds.get("/openapi.json").json()["paths"]["/{source}/{z}/{x}/{y}.{format}"]["get"]
    (formula,) = (one for one in route["parameters"] if one["name"] == "color_formula")
    (most,) = (one["maxLength"] for one in formula["schema"]["anyOf"] if "maxLength" in one)
    path = tile_of(kinds, "rgb")
    for length, status in ((most, 200), (most + 1, 422)):
        query = f"color_formula={quote('gamma RGB 1.5'.ljust(length, '0'))}"
        assert kinds.get(f"{path}.png?{query}").status_code == status


def test_the_mask_can_be_left_out(kinds: Service) -> None:
    path = tile_of(kinds, "nodata")
    assert levels(kinds, f"{path}.png").shape[2] == 4
    opaque = levels(kinds, f"{path}.png?return_mask=false")
    assert opaque.shape[2] == 3


def test_every_rendering_is_a_tile_of_its_own(kinds: Service) -> None:
    path = tile_of(kinds, "four")
    queries = ["", "?bidx=1", "?bidx=2", "?rescale=0,99", "?color_formula=gamma%20RGB%202"]
    queries += ["?bidx=1&colormap_name=viridis", "?bidx=1&colormap_name=magma"]
    tags = [kinds.get(f"{path}.png{query}").headers["etag"] for query in queries]
    tags.append(kinds.get(f"{path}@2x.png").headers["etag"])
    assert len(set(tags)) == len(tags)


def test_tilejson_passes_a_rendering_on(kinds: Service) -> None:
    query = "bidx=3&rescale=1%2C99.5&colormap_name=viridis&tile_format=webp"
    document = kinds.get(f"/rgb/tilejson.json?{query}").json()
    url = document["tiles"][0]
    for part in ("bidx=3", "rescale=1%2C99.5", "colormap_name=viridis", ".webp"):
        assert part in url
    tile = tile_of(kinds, "rgb").split("/")
    answer = kinds.client.get(url.format(z=tile[2], x=tile[3], y=tile[4]))
    assert answer.status_code == 200
    assert Image.open(BytesIO(answer.content)).mode == "RGB"


@pytest.mark.parametrize(
    "query",
    [
        "bidx=0",
        "bidx=9",
        "&".join(["bidx=1"] * 17),
        "rescale=1",
        "rescale=5,5",
        "rescale=nan,1",
        "rescale=0,1e999",
        "rescale=0,1&rescale=0,1",
        "colormap_name=nothing",
        "colormap_name=viridis",
        "colormap=%7B",
        "colormap=%7B%22a%22%3A1%7D",
        "bidx=1&colormap=%7B%220%22%3A%22x%22%7D",
        "bidx=1&colormap=%5B%5D",
        "color_formula=explode%20RGB%201",
        "color_formula=gamma%20Q%201",
        "color_formula=gamma",
        "color_formula=gamma%20RGB",
        "color_formula=%17U%C3%95",
        "bidx=1&color_formula=saturation%202",
        "color_formula=saturation%201e300",
        "colormap=" + "%5B%20" * 1200,
        "tilesize=300",
    ],
)
def test_renderings_that_cannot_be_are_refused(kinds: Service, query: str) -> None:
    answer = kinds.get(f"{tile_of(kinds, 'rgb')}.png?{query}")
    assert answer.status_code == 422
    name = re.match(r"(\w+): \S", answer.json()["detail"])
    assert name is not None
    assert name[1].removesuffix("_name") in query
    if "tilesize" not in query:
        assert kinds.get(f"/rgb/tilejson.json?{query}").status_code == 422


@pytest.mark.parametrize("bands", ["bidx=1&bidx=2", "bidx=1&bidx=2&bidx=3&bidx=4"])
@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
def test_images_of_two_or_four_bands_are_refused_where_arrays_hold_them(
    kinds: Service, format: str, bands: str
) -> None:
    answer = kinds.get(f"{tile_of(kinds, 'four')}.{format}?{bands}")
    assert answer.status_code == 422
    count = bands.count("bidx")
    expected = f"bidx: 1 or 3 bands in an image, not {count}; npy and tif hold any"
    assert answer.json() == {"detail": expected}
    assert kinds.get(f"/four/tilejson.json?{bands}&tile_format={format}").status_code == 422
    values = kinds.get(f"{tile_of(kinds, 'four')}.npy?{bands}")
    assert np.load(BytesIO(values.content)).shape[0] == count + 1
    assert kinds.get(f"/four/tilejson.json?{bands}&tile_format=npy").status_code == 200


def test_the_two_zeros_are_one_rendering(server: Service) -> None:
    """Their tiles are the same bytes, and so are the keys, whichever was asked for first."""
    low = (0.0, -0.0)
    tags = {
        server.get(f"/yellowstone/18/50503/94345.png?rescale={zero:g},90").headers["etag"]
        for zero in low
    }
    assert len(tags) == 1


def test_a_colour_map_nested_without_end_is_refused_by_titilers_routes(kinds: Service) -> None:
    assert kinds.get(f"/grey/preview.png?colormap={'%5B%20' * 1200}").status_code == 422


def test_a_formula_that_fails_on_a_pictures_own_colours_is_refused(tmp_path: Path) -> None:
    raster = inspect_origin(file_origin(cut(tmp_path / "rgb.tif", "rgb")), None)
    ground = np.random.default_rng(7).random((3, 64, 64), np.float32)
    valid, rendering = np.ones((64, 64), bool), Rendering(color_formula="saturation 1e300")
    with pytest.raises(OutOfRange):
        render_levels(ground, valid, raster, rendering)
