"""From a source's picture to what is shown of it: bands, rescaling, colour formula, colour map.

Super-resolution draws every band in the source's own values; what a client asks to see of them
is applied afterwards, by titiler's and rio-tiler's own functions, and is part of a tile's key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Annotated, Any, NamedTuple

import numpy as np
from color_operations import parse_operations
from fastapi import Query
from numpy.typing import NDArray
from rio_tiler.colormap import apply_cmap, parse_color
from rio_tiler.colormap import cmap as colour_maps
from rio_tiler.models import ImageData

from engine.imagery import Pixels
from tileserver.errors import OutOfRange
from tileserver.imagery.bands import unscaled
from tileserver.rasters.raster import Raster
from tileserver.tiles.encoding import Opacity, to_levels

MAX_BANDS = 16
MAX_TEXT = 4096
MAX_COLOURS = 512
PROBED = 4
"""Colours that a rendering is tried on: some formulas fail on all but black."""

SHOWN_BANDS = (1, 3)
"""Grey and colours: JPEG holds no others, and transparency is that of the source's data."""
RESCALES = "two finite numbers, min,max, the first less than the second"
COLORMAPS = "the name of a colour map, or a map of up to 512 colours in JSON"
FORMULAS = "a formula for these bands, such as gamma RGB 1.5"
UNUSABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What the libraries raise for formulas and colour maps that they cannot use."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is shown of a picture; the default shows colours by their first three bands."""

    indexes: tuple[int, ...] = ()
    """Band numbers of the source, from 1; none: the first three, or the first."""
    rescale: tuple[tuple[float, float], ...] = ()
    """Values shown as 0 and 255, one pair or one a band; none: the source's range."""
    colormap: str | None = None
    """The name of one of rio-tiler's, or its JSON."""
    color_formula: str | None = None
    return_mask: bool = True


PLAIN = Rendering()


class Shown(NamedTuple):
    """Bands to encode (C, H, W) and where, or how much, they are opaque (H, W)."""

    bands: NDArray[Any]
    opaque: Opacity


async def rendering_parameters(
    bidx: Annotated[list[int] | None, Query(description="Band numbers, from 1.")] = None,
    rescale: Annotated[
        list[str] | None,
        Query(description="min,max shown as black and white; once, or once a band."),
    ] = None,
    colormap_name: Annotated[
        str | None, Query(max_length=64, description="One of rio-tiler's colour maps.")
    ] = None,
    colormap: Annotated[
        str | None, Query(max_length=MAX_TEXT, description="A colour map in JSON.")
    ] = None,
    color_formula: Annotated[
        str | None, Query(max_length=256, description="A formula of rio-color.")
    ] = None,
    return_mask: Annotated[bool, Query(description="Transparent where there is no data.")] = True,
) -> Rendering:
    """The rendering that a query asks for; raises OutOfRange for one that cannot be."""
    # A coroutine, since FastAPI sends plain functions to a thread: as dear as all else of a hit.
    if not (bidx or rescale or colormap_name or colormap or color_formula) and return_mask:
        return PLAIN
    for name, given in (("bidx", bidx), ("rescale", rescale)):
        if len(given or ()) > MAX_BANDS:
            raise OutOfRange(name, f"{MAX_BANDS} times at most")
    rendering = Rendering(
        tuple(bidx or ()),
        tuple(_pair(text) for text in rescale or ()),
        colormap_name or colormap,
        color_formula,
        return_mask,
    )
    if rendering.colormap:
        with _usable("colormap_name" if colormap_name else "colormap", COLORMAPS):
            _colours(rendering.colormap)
    if color_formula:
        with _usable("color_formula", FORMULAS):
            list(parse_operations(color_formula))
    return rendering


def check(rendering: Rendering, raster: Raster) -> None:
    """Raises OutOfRange for a rendering that this raster's bands do not allow."""
    if rendering == PLAIN:
        return
    count = len(rendering.indexes or default_indexes(raster))
    if not set(rendering.indexes) <= set(raster.indexes):
        raise OutOfRange("bidx", f"bands of this source: {_listed(raster.indexes)}")
    if len(rendering.rescale) not in (0, 1, count):
        raise OutOfRange("rescale", f"once, or once for each of the {count} bands shown")
    if rendering.colormap and count != 1:
        raise OutOfRange("colormap", f"for one band, not {count}: choose one by bidx")
    bands = len(raster.indexes)
    low, high = raster.range if raster.nearest else (0.0, 1.0)
    colours = np.linspace(low, high, bands * PROBED, dtype=np.float32).reshape(bands, 1, PROBED)
    shown(colours, np.ones((1, PROBED), bool), raster, rendering)


def check_shown_bands(rendering: Rendering, raster: Raster) -> None:
    """Raises OutOfRange for more or fewer bands than an image has."""
    count = len(rendering.indexes or default_indexes(raster))
    if count not in SHOWN_BANDS:
        raise OutOfRange("bidx", f"1 or 3 bands in an image, not {count}; npy and tif hold any")


def shown(values: Pixels, valid: Mask, raster: Raster, rendering: Rendering) -> Shown:
    """What an 8-bit image shows of values (C, H, W) in the engine's unit: one to four bands.

    Raises OutOfRange for a formula or a colour map that these values cannot be shown by.
    """
    values = chosen_bands(values, raster, rendering.indexes or default_indexes(raster))
    opacity: Opacity = valid
    if rendering.rescale:
        image = _image(unscaled(values, raster).astype(np.float32), valid)
        levels = image.rescale(rendering.rescale).array.data
    elif raster.palette is not None and not rendering.colormap:
        levels, opacity = raster.palette.shown(unscaled(values, raster)[0])
        opacity = np.where(valid, opacity, np.uint8(0))
    else:
        levels = to_levels(_of_range(values, raster))
    if rendering.color_formula:
        with _usable("color_formula", FORMULAS):
            levels = _image(levels, valid).apply_color_formula(rendering.color_formula).array.data
    if rendering.colormap:
        with _usable("colormap", COLORMAPS):
            levels, opacity = _coloured(levels, values, valid, raster, rendering)
    return Shown(np.where(opacity, levels, np.uint8(0)), opaque_where(opacity, rendering))


def shows_classes(raster: Raster, rendering: Rendering) -> bool:
    """Whether what is shown are the colours of classes, which no encoding may blend."""
    return raster.palette is not None or (raster.nearest and rendering.colormap is not None)


def _of_range(values: Pixels, raster: Raster) -> Pixels:
    """Values in the engine's unit as shares of a raster's range."""
    if not raster.nearest:
        return values
    low, high = raster.range
    shares: Pixels = ((values - low) / (high - low)).astype(np.float32)
    return shares


def values_shown(values: Pixels, valid: Mask, raster: Raster, rendering: Rendering) -> Shown:
    """The source's own values of all or some bands, for formats that hold numbers."""
    if rendering.rescale or rendering.color_formula or rendering.colormap:
        return shown(values, valid, raster, rendering)
    chosen = unscaled(chosen_bands(values, raster, rendering.indexes or raster.indexes), raster)
    opaque = opaque_where(valid, rendering)
    return Shown(np.where(valid, chosen, chosen.dtype.type(0)), opaque)


def default_indexes(raster: Raster) -> tuple[int, ...]:
    """The bands that are shown where none are named."""
    return raster.indexes[:3] if len(raster.indexes) >= 3 else raster.indexes[:1]


def query_of(rendering: Rendering) -> list[tuple[str, str]]:
    """The query that asks for a rendering, for the URL templates of a TileJSON."""
    query = [("bidx", str(index)) for index in rendering.indexes]
    query += [("rescale", f"{low:.17g},{high:.17g}") for low, high in rendering.rescale]
    if rendering.colormap:
        named = rendering.colormap in colour_maps.list()
        query.append(("colormap_name" if named else "colormap", rendering.colormap))
    if rendering.color_formula:
        query.append(("color_formula", rendering.color_formula))
    if not rendering.return_mask:
        query.append(("return_mask", "false"))
    return query


def opaque_where(opacity: Opacity, rendering: Rendering) -> Opacity:
    """Where, or how much, what is shown is opaque (H, W)."""
    return opacity if rendering.return_mask else np.ones(opacity.shape, np.bool_)


def chosen_bands(values: Pixels, raster: Raster, indexes: tuple[int, ...]) -> Pixels:
    """The bands (C, H, W) of so many of a raster's, by their numbers in it."""
    chosen: Pixels = values[[raster.indexes.index(index) for index in indexes]]
    return chosen


@contextmanager
def _usable(parameter: str, allowed: str) -> Iterator[None]:
    """Raises OutOfRange for what the libraries cannot use."""
    try:
        yield
    except UNUSABLE as error:
        raise OutOfRange(parameter, allowed) from error


def _listed(indexes: tuple[int, ...]) -> str:
    return ", ".join(map(str, indexes))


def _coloured(
    levels: NDArray[Any], values: Pixels, valid: Mask, raster: Raster, rendering: Rendering
) -> tuple[NDArray[Any], Mask]:
    """One band through a colour map: a ramp maps levels, a list of values the source's own."""
    assert rendering.colormap is not None
    colours = _colours(rendering.colormap)
    ramp = isinstance(colours, dict) and len(colours) == 256 and set(colours) == set(range(256))
    if not ramp and not rendering.rescale and not rendering.color_formula:
        levels = unscaled(values, raster)
    data, alpha = apply_cmap(levels, colours)
    return data, valid & (alpha > 0)


def _image(bands: NDArray[Any], valid: Mask) -> ImageData:
    masked = np.ma.MaskedArray(bands, np.broadcast_to(~valid, bands.shape).copy())
    return ImageData(masked)


def _pair(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise OutOfRange("rescale", RESCALES) from None
    if not (isfinite(low) and isfinite(high) and low < high):
        raise OutOfRange("rescale", RESCALES)
    return low, high


@lru_cache(maxsize=64)
def _colours(text: str) -> Any:
    """rio-tiler's colour map of a name, or of JSON: values to colours, or intervals to colours."""
    if text in colour_maps.list():
        return colour_maps.get(text)
    found = json.loads(text)
    if not 1 <= len(found) <= MAX_COLOURS:
        raise ValueError("a colour map has 1 to 512 entries")
    if isinstance(found, dict):
        return {int(value): parse_color(colour) for value, colour in found.items()}
    return [((float(low), float(high)), parse_color(colour)) for (low, high), colour in found]
