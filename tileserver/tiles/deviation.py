"""What an uncertainty tile shows: the deviation of the bands as one colour, or as it is.

A pixel is the root of the mean square over the bands that are shown, in levels of 255 of the
source's range. It has the colour of its place between two bounds; npy and tif hold the deviation
of each band in the source's own unit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rio_tiler.colormap import cmap as colour_maps

from engine.imagery import Pixels
from tileserver.errors import OutOfRange
from tileserver.rasters.raster import Raster
from tileserver.tiles.levels import (
    RenderedBands,
    default_indexes,
    find_opaque,
    select_bands,
)
from tileserver.tiles.rendering import Mask, Rendering
from tileserver.tiles.rendering_checks import check_rendering

COLORMAP = "magma"
"""Darkest where it is sure; lightness grows evenly, and no ground is purple."""
MAXIMUM = 20.0
"""Levels shown in the last colour: the 98th percentile of the demo scene, zooms past native alike
(11, 16 and 22 levels at the first, the second and the third)."""
WHOLE, LEAST = 255.0, 1e-3
"""Levels of the source's whole range; the least range that is shown."""
COLOURS = 256


def complete_deviation_rendering(given: Rendering, raster: Raster) -> Rendering:
    """What is asked for, with the bounds and the colour map that it leaves open.

    Raises OutOfRange for what a deviation cannot be shown by.
    """
    rescale = given.rescale or ((0.0, MAXIMUM),)
    colormap = given.colormap or COLORMAP
    check_rendering(replace(given, rescale=(), colormap=None), raster)
    low, high = rescale[0]
    if not (low >= 0 and high <= WHOLE and high - low >= LEAST):
        raise OutOfRange("rescale", f"min,max from 0 to {WHOLE:g} levels, {LEAST:g} apart or more")
    if len(rescale) > 1:
        raise OutOfRange("rescale", "once")
    if given.color_formula:
        raise OutOfRange("color_formula", "not for an uncertainty")
    if colormap not in colour_maps.list():
        raise OutOfRange("colormap", "the name of a colour map")
    return replace(given, rescale=rescale, colormap=colormap)


def render_deviation(
    deviation: Pixels, valid: Mask, raster: Raster, rendering: Rendering
) -> RenderedBands:
    """Colours (3, H, W) of a deviation (C, H, W), where 1 is the source's whole range."""
    indexes = rendering.indexes or default_indexes(raster)
    squares = select_bands(deviation, raster, indexes) ** 2
    low, high = rendering.rescale[0]
    place = (np.sqrt(squares.mean(axis=0)) * np.float32(WHOLE) - low) / (high - low)
    levels = np.rint(np.clip(place, 0, 1) * (COLOURS - 1)).astype(np.uint8)
    shown = colour_ramp(rendering)[levels].transpose(2, 0, 1)
    opaque = find_opaque(valid, rendering)
    return RenderedBands(np.where(valid, shown, np.uint8(0)), opaque)


def render_deviation_values(
    deviation: Pixels, valid: Mask, raster: Raster, rendering: Rendering
) -> RenderedBands:
    """A deviation by band in the source's own unit, float32."""
    chosen = select_bands(deviation, raster, rendering.indexes or raster.indexes)
    opaque = find_opaque(valid, rendering)
    return RenderedBands(np.where(valid, to_source_unit(chosen, raster), np.float32(0)), opaque)


def to_source_unit(deviation: Pixels, raster: Raster) -> Pixels:
    """A deviation in the source's own unit."""
    low, high = raster.range
    return deviation * np.float32(high - low)


def colour_ramp(rendering: Rendering) -> NDArray[np.uint8]:
    """The colours (256, 3) from the first bound to the second."""
    ramp = colour_maps.get(rendering.colormap or COLORMAP)
    return np.array([ramp[level][:3] for level in range(COLOURS)], np.uint8)
