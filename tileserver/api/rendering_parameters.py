"""The query parameters of a rendering, as titiler names them."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from color_operations import parse_operations
from fastapi import Depends, Query

from tileserver.api.parameters import LENGTHS
from tileserver.errors import OutOfRange
from tileserver.tiles.colormaps import (
    COLORMAPS,
    FORMULAS,
    MAX_COLOURS,
    parse_colormap,
    refuse_unusable,
)
from tileserver.tiles.rendering import PLAIN, Rendering

MAX_BANDS = 16
RESCALES = "two finite numbers, min,max, the first less than the second"


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
        str | None, Query(description=f"A map of up to {MAX_COLOURS} colours in JSON.")
    ] = None,
    color_formula: Annotated[
        str | None,
        Query(max_length=LENGTHS["color_formula"], description="A formula of rio-color."),
    ] = None,
    return_mask: Annotated[bool, Query(description="Transparent where there is no data.")] = True,
) -> Rendering:
    """The rendering that a query asks for; raises OutOfRange for one that cannot be."""
    # A coroutine: FastAPI runs plain functions in a thread pool, which costs as much as the rest of
    # a cache hit.
    if not (bidx or rescale or colormap_name or colormap or color_formula) and return_mask:
        return PLAIN
    for name, given in (("bidx", bidx), ("rescale", rescale)):
        if len(given or ()) > MAX_BANDS:
            raise OutOfRange(name, f"{MAX_BANDS} times at most")
    rendering = Rendering(
        indexes=tuple(bidx or ()),
        rescale=tuple(_parse_pair(text) for text in rescale or ()),
        colormap=colormap_name or colormap,
        color_formula=color_formula,
        return_mask=return_mask,
    )
    if rendering.colormap:
        with refuse_unusable("colormap_name" if colormap_name else "colormap", COLORMAPS):
            parse_colormap(rendering.colormap)
    if color_formula:
        with refuse_unusable("color_formula", FORMULAS):
            list(parse_operations(color_formula))
    return rendering


RenderingParameters = Annotated[Rendering, Depends(rendering_parameters)]


def _parse_pair(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) + 0.0 for part in text.split(","))  # -0 is 0
    except ValueError:
        raise OutOfRange("rescale", RESCALES) from None
    if not (isfinite(low) and isfinite(high) and low < high):
        raise OutOfRange("rescale", RESCALES)
    return low, high
