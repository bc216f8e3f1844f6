"""Pixels past 180 degrees: a CRS whose own longitudes go on there.

PROJ counts longitudes from -180 to 180. A grid of pixels that goes on past either end lies in one
piece in a CRS of another middle: degrees around that, a cylindrical projection about its meridian.
"""

from __future__ import annotations

from math import floor, isfinite

from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform

HALF_TURN, TURN = 180.0, 360.0
HALF = 0.501
"""Of a pixel, and some to round."""
CYLINDRICAL = frozenset({"merc", "webmerc", "eqc", "cea", "mill", "gall"})
"""PROJ's maps of the whole world on which meridians are parallel lines."""
GROUND = CRS.from_epsg(4326)


def unwrap_longitudes(
    crs: CRS, placed: Affine, height: int, width: int
) -> tuple[CRS, Affine] | None:
    """Where pixels past 180 degrees lie in a CRS that goes on there; None where there are none.

    placed: from pixels (col, row) to the CRS, of so many rows and columns.
    """
    edges = _edges(crs)
    if edges is None:
        return None
    turn = edges[1] - edges[0]
    xs = [(placed * place)[0] for place in ((0, 0), (width, 0), (0, height), (width, height))]
    left, right = min(xs), max(xs)
    half = HALF * max(abs(placed.a), abs(placed.b))  # grids of the whole world stick out by that
    if left >= edges[0] - half and right <= edges[1] + half:
        return None
    whole_turns = turn * floor((left - edges[0] + half) / turn)
    moved = Affine.translation(-whole_turns, 0) * placed
    if right - whole_turns <= edges[1] + half:
        return crs, moved
    middle = (left + right) / 2 - whole_turns
    if crs.is_geographic:
        return _with_words(crs, lon_wrap=middle), moved
    aside = middle - (edges[0] + edges[1]) / 2
    meridian = float(crs.to_dict().get("lon_0", 0)) + TURN * aside / turn
    meridian = (meridian + HALF_TURN) % TURN - HALF_TURN
    return _with_words(crs, lon_0=meridian), Affine.translation(-aside, 0) * moved


def _with_words(crs: CRS, **changed: float) -> CRS:
    """A CRS with some of PROJ's words changed."""
    words = {**crs.to_dict(), **changed}
    said = (f"+{name}" if value is True else f"+{name}={value}" for name, value in words.items())
    return CRS.from_string(" ".join(said))


def _edges(crs: CRS) -> tuple[float, float] | None:
    """Where a map of the whole world ends whose meridians are parallel lines; None: no such map."""
    if crs.is_geographic:
        return -HALF_TURN, HALF_TURN
    words = crs.to_dict()
    if words.get("proj") not in CYLINDRICAL:
        return None
    middle, near = float(words.get("lon_0", 0)), HALF_TURN - 1e-9
    (west, east), _ = transform(GROUND, crs, [middle - near, middle + near], [0.0, 0.0])
    return (west, east) if isfinite(east - west) and west < east else None
