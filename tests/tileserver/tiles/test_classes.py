"""Classified rasters: nearest neighbour at every zoom, their colours, nothing synthesised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from morecantile import Tile
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import transform
from starlette.testclient import TestClient

from tests.support.classes import (
    COLOURS,
    MIDDLE,
    NATIVE,
    PLACE,
    SIDE,
    UTM,
    class_numbers,
    write_classes,
    write_veiled,
)
from tests.support.metrics import parse_metrics
from tests.support.rasters import cut
from tests.support.tiles import WEB_MERCATOR, decoded, path_of
from tileserver import SuperResolvedReader
from tileserver.app import make_app
from tileserver.assembly import open_catalogue
from tileserver.errors import StartupError
from tileserver.imagery import overviews
from tileserver.offline.upscaling import upscale
from tileserver.offline.upscaling.options import Upscaling
from tileserver.settings.server import Settings

ZOOMS = [NATIVE - 2, NATIVE, NATIVE + 1, NATIVE + 3]
NEAR_PX = 0.2
"""Pixels whose centres lie nearer to an edge of the raster's may show either neighbour."""


@contextmanager
def serving(folder: Path, **sources: dict[str, Any]) -> Iterator[TestClient]:
    settings = Settings.model_validate(
        {"sources": sources, "cache": {"folder": folder / "cache"}, "deadline_seconds": 300}
    )
    with TestClient(make_app(settings)) as client:
        yield client


def opened(**source: Any) -> None:
    open_catalogue(Settings.model_validate({"sources": {"one": source}})).close()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("classes")
    for name, offset in (("west", 0), ("east", SIDE)):
        (folder / "parts").mkdir(exist_ok=True)
        write_classes(folder / "parts" / f"{name}.tif", first_column=offset)
        (folder / "plain").mkdir(exist_ok=True)
        write_classes(folder / "plain" / f"{name}.tif", colours=False, first_column=offset)
    classes = write_classes(folder / "cover.tif")
    cover, veiled = str(classes), write_veiled(folder / "veiled.vrt", classes, of_80=128, of_200=0)
    wide = str(write_classes(folder / "wide.tif", "uint16"))
    numbers = str(write_classes(folder / "numbers.tif", "float32", colours=False))
    photo = str(cut(folder / "photo.tif", "rgb"))
    with serving(
        folder,
        cover={"path": cover},
        veiled={"path": str(veiled)},
        wide={"path": wide},
        numbers={"path": numbers, "detail": "none"},
        photo={"path": photo, "detail": "none"},
        mosaic={"path": str(folder / "parts"), "mosaic": True},
        plain={"path": str(folder / "plain"), "mosaic": True, "detail": "none"},
    ) as client:
        yield client


def rgba(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(content)).convert("RGBA"))


def tile_at(zoom: int) -> Tile:
    return WEB_MERCATOR.tile(*MIDDLE, zoom)


def expected(tile: Tile) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The class at each pixel's centre, 0 outside, and where that is beyond doubt."""
    left, bottom, right, top = WEB_MERCATOR.xy_bounds(tile)
    share = (np.arange(256) + 0.5) / 256
    x, y = np.meshgrid(left + share * (right - left), top - share * (top - bottom))
    east, north = transform("EPSG:3857", UTM, x.ravel(), y.ravel())
    cols, rows = ~PLACE * (np.array(east), np.array(north))
    sure = np.ones(cols.shape, bool)
    for place in (cols, rows):
        sure &= np.abs(place - np.rint(place)) > NEAR_PX
    inside = (cols >= 0) & (cols < SIDE) & (rows >= 0) & (rows < SIDE)
    numbers = class_numbers()[
        rows.clip(0, SIDE - 1).astype(int), cols.clip(0, SIDE - 1).astype(int)
    ]
    return np.where(inside, numbers, 0).reshape(256, 256), sure.reshape(256, 256)


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("source", ["cover", "wide", "numbers"])
def test_arrays_hold_the_number_at_every_pixels_centre(
    client: TestClient, source: str, zoom: int
) -> None:
    answer = client.get(path_of(tile_at(zoom), source, "npy"))
    band, mask = np.load(BytesIO(answer.content))
    numbers, sure = expected(tile_at(zoom))
    assert sure.mean() > 0.2
    assert np.array_equal(band[sure], numbers[sure])
    assert np.array_equal(mask[sure] > 0, numbers[sure] > 0)
    assert set(np.unique(band)) <= {0, *np.unique(class_numbers())}
    assert answer.headers["x-overzoom"] == ("native" if zoom <= NATIVE else "nearest")
    assert not {"x-overzoom-checkpoint", "x-overzoom-detail"} & {*answer.headers}


def test_tiles_of_classes_are_counted_as_such(client: TestClient) -> None:
    def count() -> float:
        counts = parse_metrics(client.get("/metrics").text)
        return counts.get(("overzoom_requests_total", "nearest", "200"), 0)

    before = count()
    assert client.get(path_of(tile_at(NATIVE + 1), "cover", "png")).status_code == 200
    assert count() == before + 1


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("format", ["png", "webp"])
@pytest.mark.parametrize(("source", "opacity"), [("cover", {}), ("veiled", {80: 128, 200: 0})])
def test_pictures_have_the_colours_of_the_table_and_no_others(
    client: TestClient, source: str, opacity: dict[int, int], format: str, zoom: int
) -> None:
    levels = rgba(client.get(path_of(tile_at(zoom), source, format)).content)
    numbers, sure = expected(tile_at(zoom))
    table = np.zeros((256, 4), np.uint8)
    for number, colour in COLOURS.items():
        table[number] = (*colour[:3], opacity.get(number, 255)) if number else 0
    wanted = table[numbers]
    assert np.array_equal(levels[sure][:, 3], wanted[sure][:, 3])
    shown = sure & (levels[..., 3] > 0)
    assert np.array_equal(levels[shown], wanted[shown])


def test_a_jpeg_shows_the_colours_where_it_can(client: TestClient) -> None:
    levels = decoded(client.get(path_of(tile_at(NATIVE + 3), "cover", "jpg")).content)
    numbers, _ = expected(tile_at(NATIVE + 3))
    red = numbers == 40
    assert levels.shape == (256, 256, 3)
    assert np.abs(np.median(levels[red], axis=0) - COLOURS[40][:3]).max() < 8


def test_neighbouring_tiles_and_larger_ones_are_one_picture(client: TestClient) -> None:
    corner = tile_at(NATIVE)
    children = [
        decoded(client.get(path_of(Tile(2 * corner.x + i, 2 * corner.y + j, NATIVE + 1), "cover"))
                .content)
        for j in range(2)
        for i in range(2)
    ]  # fmt: skip
    rows = [np.concatenate(children[i : i + 2], axis=1) for i in (0, 2)]
    large = client.get(f"/cover/{NATIVE}/{corner.x}/{corner.y}@2x.png")
    assert np.array_equal(decoded(large.content), np.concatenate(rows))


def test_a_source_of_any_kind_can_be_shown_as_it_is(client: TestClient) -> None:
    answer = client.get("/photo/tilejson.json").json()
    west, south, east, north = answer["bounds"]
    native = answer["overzoom"]["native_maxzoom"]
    tile = WEB_MERCATOR.tile((west + east) / 2, (south + north) / 2, native + 3)
    shown = client.get(path_of(tile, "photo"))
    assert shown.headers["x-overzoom"] == "nearest"
    levels = decoded(shown.content)
    assert len(np.unique(levels.reshape(-1, levels.shape[2]), axis=0)) < 40 * 40


@pytest.mark.parametrize("source", ["mosaic", "plain"])
@pytest.mark.parametrize("zoom", ZOOMS)
def test_a_mosaic_of_classes_is_one(client: TestClient, source: str, zoom: int) -> None:
    band, _ = np.load(BytesIO(client.get(path_of(tile_at(zoom), source, "npy")).content))
    numbers, sure = expected(tile_at(zoom))
    inside = sure & (numbers > 0)
    assert np.array_equal(band[inside], numbers[inside])
    assert set(np.unique(band)) <= {0, *np.unique(class_numbers())}


def test_the_documents_say_that_nothing_is_synthesised(client: TestClient) -> None:
    document = client.get("/cover/tilejson.json").json()
    about = document["overzoom"]
    assert about["synthesised"] is False
    assert (about["native_maxzoom"], document["maxzoom"]) == (NATIVE, NATIVE + 3)
    assert not {"checkpoint", "steps", "detail", "noise_seeds"} & {*about}
    tile = tile_at(NATIVE + 1)
    url = document["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y)
    assert "immutable" in client.get(url).headers["cache-control"]
    place = ",".join(map(str, MIDDLE))
    pixel = client.get(f"/cover/inspect/{place}").json()
    assert pixel["synthesised"] is False
    assert pixel["native"][0] in COLOURS
    assert pixel["super_resolved"] is pixel["interpolated"] is pixel["uncertainty"] is None


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("uncertainty/tilejson.json", 404, "nothing of this source is synthesised"),
        ("uncertainty/legend.json", 404, "nothing of this source is synthesised"),
        (f"uncertainty/tiles/WebMercatorQuad/{NATIVE + 1}/0/0.png", 404, "is synthesised"),
        ("tilejson.json?mode=interpolated", 422, "nearest neighbour"),
        ("tilejson.json?detail=0.5", 422, "detail"),
    ],
)
def test_what_has_no_meaning_for_classes_is_refused_in_words(
    client: TestClient, path: str, status: int, words: str
) -> None:
    answer = client.get(f"/cover/{path}")
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


def test_other_colours_can_be_asked_for(client: TestClient) -> None:
    path = path_of(tile_at(NATIVE + 2), "numbers", "webp")
    colormap = '{"1":[1,2,3,255],"7":[250,0,9,255],"40":[0,0,250,255]}'
    levels = decoded(client.get(path, params={"colormap": colormap}).content)
    numbers, sure = expected(tile_at(NATIVE + 2))
    for number, colour in ((1, (1, 2, 3)), (7, (250, 0, 9)), (40, (0, 0, 250))):
        assert (levels[sure & (numbers == number)][:, :3] == colour).all()
    grey = decoded(client.get(path_of(tile_at(NATIVE), "cover") + "?rescale=0,255").content)
    assert grey.shape[2] == 2


def test_pages_thumbnails_and_titilers_routes_show_the_colours(client: TestClient) -> None:
    known = {colour[:3] for colour in COLOURS.values()}
    for path in ("/cover/thumbnail.webp", "/cover/preview.png?max_size=64"):
        levels = rgba(client.get(path).content)
        opaque = levels[levels[..., 3] > 0][:, :3]
        assert {tuple(map(int, colour)) for colour in np.unique(opaque, axis=0)} <= known
    assert client.get("/cover/info").json()["colormap"]["40"] == list(COLOURS[40])


def test_what_was_drawn_is_kept_apart_from_a_super_resolved_version(tmp_path: Path) -> None:
    path = str(write_classes(tmp_path / "numbers.tif", colours=False))
    etags = set()
    for detail in (None, "none"):
        with serving(tmp_path, cover={"path": path, "detail": detail}) as client:
            etags |= {client.get(path_of(tile_at(z), "cover")).headers["etag"] for z in ZOOMS}
    assert len(etags) == 2 * len(ZOOMS)


def test_the_reader_for_other_applications_shows_the_numbers(tmp_path: Path) -> None:
    path = str(write_classes(tmp_path / "cover.tif"))
    with SuperResolvedReader(path) as reader:
        for zoom in ZOOMS:
            image = reader.tile(*tile_at(zoom))
            numbers, sure = expected(tile_at(zoom))
            assert np.array_equal(image.data[0][sure], numbers[sure])
        assert image.metadata["overzoom"] == "nearest"
        png = image.render(colormap=reader.colormap)
    assert Image.open(BytesIO(png)).mode == "RGBA"


def test_upscaling_classes_is_refused_in_a_line(tmp_path: Path) -> None:
    path = write_classes(tmp_path / "cover.tif")
    with pytest.raises(StartupError, match=r"cover\.tif: has a colour table, .* gdalwarp -r near"):
        upscale(path, tmp_path / "fine.tif", Upscaling(2, Settings().sampler()))


def test_one_band_of_several_has_to_be_chosen(tmp_path: Path) -> None:
    cover = write_classes(tmp_path / "cover.tif")
    two = tmp_path / "two.tif"
    with rasterio.open(cover) as one:
        profile, numbers = {**one.profile, "count": 2, "photometric": "palette"}, one.read()
        with rasterio.open(two, "w", **profile) as out:
            out.write(np.concatenate((numbers, numbers)))
            out.write_colormap(1, COLOURS)
    with pytest.raises(StartupError, match="band 1 has a colour table"):
        opened(path=str(two))
    with serving(tmp_path, two={"path": str(two), "bands": [1]}) as client:
        levels = decoded(client.get(path_of(tile_at(NATIVE), "two")).content)
    assert levels.shape[2] == 4


@pytest.mark.parametrize("change", [{}, {"colours": False}])
def test_members_of_one_mosaic_have_one_table(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write_classes(folder / "a.tif")
    second = write_classes(folder / "b.tif", first_column=SIDE, **change)
    if not change:
        with rasterio.open(second, "r+") as out:
            out.write_colormap(1, {**COLOURS, 1: (9, 9, 9, 255)})
    with pytest.raises(StartupError, match="differ in their colour table"):
        opened(path=str(folder), mosaic=True)


def test_classes_on_the_grids_own_pixels_are_those_pixels(tmp_path: Path) -> None:
    corner = tile_at(NATIVE)
    left, _, _, top = WEB_MERCATOR.xy_bounds(corner)
    size = WEB_MERCATOR.matrix(NATIVE).cellSize
    place = Affine(size, 0, left, 0, -size, top)
    numbers = np.tile(class_numbers(), (2, 2))[:256, :256].astype(np.uint8)
    profile = {"driver": "GTiff", "count": 1, "height": 256, "width": 256, "dtype": "uint8"}
    path = tmp_path / "aligned.tif"
    with rasterio.open(path, "w", crs="EPSG:3857", transform=place, **profile) as out:
        out.write(numbers[None])
        out.write_colormap(1, COLOURS)
    with serving(tmp_path, aligned={"path": str(path)}) as client:
        band, _ = np.load(BytesIO(client.get(path_of(corner, "aligned", "npy")).content))
        assert np.array_equal(band, numbers)
        child = Tile(2 * corner.x, 2 * corner.y, NATIVE + 1)
        band, _ = np.load(BytesIO(client.get(path_of(child, "aligned", "npy")).content))
        assert np.array_equal(band, numbers[:128, :128].repeat(2, 0).repeat(2, 1))


def test_a_raster_without_overviews_is_decimated_not_averaged(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overviews, "MOST_PIXELS", 0)
    corner = tile_at(NATIVE - 3)
    answer = client.get(path_of(corner, "cover", "npy"))
    band, mask = np.load(BytesIO(answer.content))
    assert (mask > 0).any()
    assert set(np.unique(band)) <= {0, *np.unique(class_numbers())}


def test_class_numbers_that_are_rescaled_are_one_picture_however_they_are_asked_for(
    tmp_path: Path,
) -> None:
    path = str(write_classes(tmp_path / "cover.tif"))
    address, rescaled = path_of(tile_at(NATIVE + 1), "cover"), "?rescale=0,255"
    contents = []
    for first in (address.replace(".png", ".webp"), address):
        with serving(tmp_path / first.rpartition(".")[2], cover={"path": path}) as client:
            assert client.get(first + rescaled).status_code == 200
            answer = client.get(address + rescaled)
            contents.append((answer.headers["etag"], answer.content))
            assert client.get("/cover/map?width=600&rescale=0,255").status_code == 200
    assert contents[0] == contents[1]
    assert Image.open(BytesIO(contents[0][1])).getbands()[0] == "L"
