"""From a source's picture to what an image or an array shows of it, by a rendering."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rio_tiler.models import ImageData

from engine.imagery import Pixels
from tileserver.imagery.units import to_raster_type
from tileserver.rasters.raster import Raster
from tileserver.tiles.colormaps import (
    COLORMAPS,
    FORMULAS,
    apply_colormap,
    maps_levels,
    refuse_unusable,
)
from tileserver.tiles.encoding import Opacity, to_levels
from tileserver.tiles.rendering import Mask, Rendering


class RenderedBands(NamedTuple):
    """Bands to encode (C, H, W) and where, or how much, they are opaque (H, W)."""

    bands: NDArray[Any]
    opaque: Opacity


def render_levels(
    values: Pixels, valid: Mask, raster: Raster, rendering: Rendering
) -> RenderedBands:
    """What an 8-bit image shows of values (C, H, W) in the engine's unit: one or three bands.

    Of values that are rescaled, as many as are chosen.

    Raises OutOfRange for a formula or a colour map that these values cannot be shown by.
    """
    values = select_bands(values, raster, rendering.indexes or default_indexes(raster))
    opacity: Opacity = valid
    if rendering.rescale:
        image = _make_image(to_raster_type(values, raster).astype(np.float32), valid)
        levels = image.rescale(rendering.rescale).array.data
    elif raster.palette is not None and not rendering.colormap:
        levels, opacity = raster.palette.shown(to_raster_type(values, raster)[0])
        opacity = np.where(valid, opacity, np.uint8(0))
    else:
        levels = to_levels(_scale_to_range(values, raster))
    if rendering.color_formula:
        with refuse_unusable("color_formula", FORMULAS):
            image = _make_image(levels, valid).apply_color_formula(rendering.color_formula)
            levels = image.array.data
    if rendering.colormap:
        with refuse_unusable("colormap", COLORMAPS):
            if not _maps_levels(rendering):
                levels = to_raster_type(values, raster)
            levels, coloured = apply_colormap(levels, rendering.colormap)
            opacity = valid & coloured
    return RenderedBands(np.where(opacity, levels, np.uint8(0)), find_opaque(opacity, rendering))


def render_values(
    values: Pixels, valid: Mask, raster: Raster, rendering: Rendering
) -> RenderedBands:
    """The source's own values of all or some bands, for formats that hold numbers."""
    if shows_levels(rendering):
        return render_levels(values, valid, raster, rendering)
    bands = select_bands(values, raster, rendering.indexes or raster.indexes)
    chosen = to_raster_type(bands, raster)
    opaque = find_opaque(valid, rendering)
    return RenderedBands(np.where(valid, chosen, chosen.dtype.type(0)), opaque)


def shows_levels(rendering: Rendering) -> bool:
    """Whether levels are asked for where a format could hold the source's own values."""
    return bool(rendering.rescale or rendering.color_formula or rendering.colormap)


def shows_classes(raster: Raster, rendering: Rendering) -> bool:
    """Whether what is shown are the colours of classes, which no encoding may blend."""
    if rendering.colormap is not None:
        return raster.nearest
    return raster.palette is not None and not rendering.rescale


def default_indexes(raster: Raster) -> tuple[int, ...]:
    """The bands that are shown where none are named."""
    return raster.indexes[:3] if len(raster.indexes) >= 3 else raster.indexes[:1]


def select_bands(values: Pixels, raster: Raster, indexes: tuple[int, ...]) -> Pixels:
    """The bands (C, H, W) of so many of a raster's, by their numbers in it."""
    chosen: Pixels = values[[raster.indexes.index(index) for index in indexes]]
    return chosen


def find_opaque(opacity: Opacity, rendering: Rendering) -> Opacity:
    """Where, or how much, what is shown is opaque (H, W)."""
    return opacity if rendering.return_mask else np.ones(opacity.shape, np.bool_)


def _maps_levels(rendering: Rendering) -> bool:
    """Whether a rendering's colour map is looked up by level rather than by the source's values."""
    if rendering.rescale or rendering.color_formula:
        return True
    assert rendering.colormap is not None
    return maps_levels(rendering.colormap)


def _scale_to_range(values: Pixels, raster: Raster) -> Pixels:
    """Values in the engine's unit as shares of a raster's range."""
    if not raster.nearest:
        return values
    low, high = raster.range
    shares: Pixels = ((values - low) / (high - low)).astype(np.float32)
    return shares


def _make_image(bands: NDArray[Any], valid: Mask) -> ImageData:
    masked = np.ma.MaskedArray(bands, np.broadcast_to(~valid, bands.shape).copy())
    return ImageData(masked)
