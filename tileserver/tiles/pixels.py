"""What is read of a source for a tile: where it has data, what drawing needs, whole tiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rio_tiler.models import ImageData

from engine.imagery import Pixels
from engine.pictures.pinned import Pinned
from engine.window import Window
from tileserver.catalogue.catalogue_reader import CatalogueReader
from tileserver.catalogue.layers import Layer
from tileserver.grid import TILE_PX
from tileserver.imagery.units import to_engine_unit
from tileserver.rasters.raster import Raster
from tileserver.tiles.rendering import Mask
from tileserver.tiles.request import TileRequest


def find_valid_pixels(layer: Layer, zoom: int, window: Window) -> Mask:
    """Where a window of the native zoom or a deeper one shows data, (H, W).

    A native pixel does where any of its four children does; deeper pixels inherit.
    """
    depth = zoom - layer.native_zoom - 1
    if depth < 0:
        children = layer.bands.valid(window.children())
        either = children[0::2] | children[1::2]
        valid: Mask = either[:, 0::2] | either[:, 1::2]
        return valid
    scale: int = 2**depth
    parents = window.parent(scale)
    children = layer.bands.valid(parents).repeat(scale, axis=0).repeat(scale, axis=1)
    rows, cols = parents.children(scale).slices(window)
    return children[rows, cols]


def pin_source(request: TileRequest, window: Window) -> tuple[Mask, Pinned | None]:
    """Where a window of a tile's picture shows data, and what drawing it reads of the source.

    None where nothing is drawn: where there is no data, or nothing is synthesised.
    """
    valid = find_valid_pixels(request.layer, request.pixel_zoom, window)
    if request.sample is None or not valid.any():
        return valid, None
    return valid, request.layer.pin(request.imagery, window)


def merge_pixels(parts: Sequence[tuple[Pixels, Mask]]) -> tuple[Pixels, Mask]:
    """One picture of several of the same ground: values (C, H, W), and where they are data."""
    values, valid = parts[0]
    for others, known in parts[1:]:
        values, valid = np.where(valid, values, others), valid | known
    return values, valid


def read_pixels(request: TileRequest) -> tuple[Pixels, Mask]:
    """A tile that is read and no more: of a zoom above the native one, of classes at any zoom."""
    tile, raster, layer = request.tile, request.source.raster, request.layer
    if layer.is_quick(request.pixel_zoom):
        return merge_pixels([layer.read(request.pixel_zoom, window) for window in request.windows])
    method = "nearest" if raster.nearest else "average"
    with CatalogueReader.of(request.source, request.layer.grid) as reader:
        image = reader.tile(
            tile.x,
            tile.y,
            tile.z,
            tilesize=TILE_PX * request.options.scale,
            indexes=raster.indexes,
            resampling_method=method,
            reproject_method=method,
        )
    return scale_image(image, raster)


def scale_image(image: ImageData, raster: Raster) -> tuple[Pixels, Mask]:
    """An image of a raster's bands as values (C, H, W), and where they are data (H, W).

    In the engine's unit: the raster's range is [0, 1], and values outside it are kept. Of classes
    they are the class numbers.
    """
    values = to_engine_unit(image.data, raster)
    valid: Mask = np.logical_and.reduce(np.isfinite(values), axis=0)
    valid &= image.mask > 0
    return np.where(valid, values, np.float32(0)), valid
