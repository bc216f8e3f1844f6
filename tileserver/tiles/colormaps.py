"""Colour maps by name or in JSON, and what the libraries refuse of them and of colour formulas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rio_tiler.colormap import apply_cmap, parse_color
from rio_tiler.colormap import cmap as colour_maps
from rio_tiler.errors import InvalidColorFormat

from tileserver.errors import OutOfRange
from tileserver.tiles.rendering import Mask

MAX_COLOURS = 256
"""One for each level of 8 bits, or as many intervals."""
COLORMAPS = f"the name of a colour map, or a map of up to {MAX_COLOURS} colours in JSON"
FORMULAS = "a formula for these bands, such as gamma RGB 1.5"
UNUSABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    InvalidColorFormat,
)
"""What the libraries raise for formulas and colour maps that they cannot use."""
RAMP = frozenset(range(256))
"""The entries of a map of levels; any other maps the source's own values."""


@contextmanager
def refuse_unusable(parameter: str, allowed: str) -> Iterator[None]:
    """Raises OutOfRange for what the libraries cannot use."""
    try:
        yield
    except UNUSABLE as error:
        raise OutOfRange(parameter, allowed) from error


@lru_cache(maxsize=64)
def parse_colormap(text: str) -> Any:
    """rio-tiler's colour map of a name, or of JSON: values to colours, or intervals to colours.

    Raises one of UNUSABLE for a text that is none.
    """
    if text in colour_maps.list():
        return colour_maps.get(text)
    found = json.loads(text)
    if not 1 <= len(found) <= MAX_COLOURS:
        raise ValueError(f"a colour map must have 1 to {MAX_COLOURS} entries")
    if isinstance(found, dict):
        return {int(value): parse_color(colour) for value, colour in found.items()}
    return [((float(low), float(high)), parse_color(colour)) for (low, high), colour in found]


def maps_levels(text: str) -> bool:
    """Whether a colour map gives a colour to each of the 256 levels."""
    colours = parse_colormap(text)
    return isinstance(colours, dict) and colours.keys() == RAMP


def apply_colormap(band: NDArray[Any], text: str) -> tuple[NDArray[Any], Mask]:
    """Colours (3, H, W) of one band (1, H, W), and where the map has any, (H, W)."""
    colours, alpha = apply_cmap(band, parse_colormap(text))
    return colours, np.asarray(alpha > 0)
