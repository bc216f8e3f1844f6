"""Pixels of maps, and the memory that they take."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tests.support.tiles import WEB_MERCATOR
from tileserver.assembly import open_catalogue
from tileserver.settings.server import Settings
from tileserver.tiles.encoding import ImageFormat, encode, encode_values
from tileserver.tiles.maps.area import Area
from tileserver.tiles.maps.mosaic import Picture, flatten
from tileserver.tiles.maps.reference_systems import find_system
from tileserver.tiles.maps.request import AskedMap, MapRequest, resolve_map
from tileserver.tiles.maps.service import _make
from tileserver.tiles.rendering import Rendering
from tileserver.tiles.request import TileOptions

WEST, SOUTH, *_ = WEB_MERCATOR.xy_bounds(WEB_MERCATOR.tile(-110.643554, 44.955993, 19))


def test_levels_lie_over_a_background_by_their_opacity() -> None:
    generator = np.random.default_rng(0)
    bands = generator.integers(0, 256, (3, 40, 50), np.uint8)
    opacity = generator.choice(np.array([0, 1, 100, 254, 255], np.uint8), (40, 50))
    shown, whole = flatten(Picture(bands, opacity), (10, 200, 90))
    share = opacity / 255
    expected = bands * share + np.array([10, 200, 90])[:, None, None] * (1 - share)
    assert np.abs(shown - expected).max() <= 0.501
    assert np.array_equal(shown[:, opacity == 255], bands[:, opacity == 255])
    assert (whole == 255).all()


@pytest.mark.parametrize(
    ("format", "background", "indexes"),
    [
        (ImageFormat.png, (255, 255, 255), ()),
        (ImageFormat.webp, None, ()),
        (ImageFormat.tif, None, ()),
        (ImageFormat.tif, None, (1, 2, 3, 1, 2, 3, 1, 2)),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_map_takes_no_more_memory_than_is_counted(
    config_settings: Settings,
    format: ImageFormat,
    background: tuple[int, int, int] | None,
    indexes: tuple[int, ...],
    deep: bool,
) -> None:
    width = 4 if deep else 100  # past the deepest zoom there are few pixels to make many from
    bounds = (WEST, SOUTH, WEST + width, SOUTH + width)
    options = TileOptions(format=format, rendering=Rendering(indexes=indexes))
    area = Area(find_system("EPSG:3857"), bounds, 700, 700)
    asked = AskedMap(source_id="yellowstone", area=area, options=options, background=background)
    request = resolve_map(open_catalogue(config_settings), asked)
    tiles = [(one.window, noise(request, len(indexes or (1, 2, 3)))) for one in request.tiles]
    _make(request, tiles)  # what is loaded once is loaded
    tracemalloc.start()
    try:
        content = _make(request, tiles)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes - len(content) < request.size_bytes


def noise(request: MapRequest, bands: int) -> bytes:
    """A tile as a map is made from."""
    levels = np.random.default_rng(0).integers(0, 256, (bands, 256, 256), np.uint8)
    opaque = np.ones((256, 256), np.bool_)
    if not request.options.format.holds_values:
        return encode(levels, opaque, ImageFormat.png)
    grid = request.layer.grid
    place = grid.transform(request.fit.zoom, request.window)
    return encode_values(levels, opaque, ImageFormat.npy, grid.crs, place)
