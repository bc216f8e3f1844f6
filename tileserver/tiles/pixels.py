"""What a tile is made of, step by step: where there is data, what is read, the encoded bytes."""

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
from tileserver.imagery.bands import scaled
from tileserver.rasters.raster import Raster
from tileserver.tiles.deviation import deviation_shown, deviation_values
from tileserver.tiles.encoding import encode, encode_values
from tileserver.tiles.rendering import Mask, shown, shows_classes, values_shown
from tileserver.tiles.request import Mode, TileRequest


def encoded(request: TileRequest, values: Pixels, valid: Mask) -> bytes:
    """The bytes of a tile from its values (C, H, W) in [0, 1] and where they are data (H, W)."""
    raster, grid = request.source.raster, request.layer.grid
    uncertain = request.mode is Mode.uncertainty
    if request.format.holds_values:
        number = deviation_values if uncertain else values_shown
        bands, opaque = number(values, valid, raster, request.rendering)
        place = grid.transform(request.pixel_zoom, request.window)
        return encode_values(bands, opaque, request.format, grid.crs, place)
    colour = deviation_shown if uncertain else shown
    levels, opaque = colour(values, valid, raster, request.rendering)
    return encode(levels, opaque, request.format, lossless=shows_classes(raster, request.rendering))


def valid_pixels(layer: Layer, zoom: int, window: Window) -> Mask:
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
    valid = valid_pixels(request.layer, request.pixel_zoom, window)
    if request.sample is None or not valid.any():
        return valid, None
    return valid, request.layer.pin(request.imagery, window)


def joined(parts: Sequence[tuple[Pixels, Mask]]) -> tuple[Pixels, Mask]:
    """One picture of several of the same ground: values (C, H, W), and where they are data."""
    values, valid = parts[0]
    for others, known in parts[1:]:
        values, valid = np.where(valid, values, others), valid | known
    return values, valid


def read_pixels(request: TileRequest) -> tuple[Pixels, Mask]:
    """A tile that is read and no more: of a zoom above the native one, of classes at any zoom."""
    tile, raster, layer = request.tile, request.source.raster, request.layer
    if layer.is_quick(request.pixel_zoom):
        return joined([layer.read(request.pixel_zoom, window) for window in request.windows])
    method = "nearest" if raster.nearest else "average"
    with CatalogueReader.of(request.source, request.layer.grid) as reader:
        image = reader.tile(
            tile.x,
            tile.y,
            tile.z,
            tilesize=TILE_PX * request.scale,
            indexes=raster.indexes,
            resampling_method=method,
            reproject_method=method,
        )
    return values_of(image, raster)


def values_of(image: ImageData, raster: Raster) -> tuple[Pixels, Mask]:
    """An image of a raster's bands as values (C, H, W) in [0, 1] and where they are data (H, W)."""
    values = scaled(image.data, raster)
    valid: Mask = np.logical_and.reduce(np.isfinite(values), axis=0)
    valid &= image.mask > 0
    return np.where(valid, values, np.float32(0)), valid
