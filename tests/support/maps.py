"""Areas of tiles of the demo scene, as maps are asked for."""

from __future__ import annotations

import morecantile
from morecantile import Tile

WEB_MERCATOR = morecantile.tms.get("WebMercatorQuad")


def box_of(first: Tile, last: Tile | None = None, grid: str = "WebMercatorQuad") -> str:
    """The bounds of a block of tiles in the grid's own units: left, bottom, right, top."""
    tms, last = morecantile.tms.get(grid), last or first
    left, _, _, top = tms.xy_bounds(first)
    _, bottom, right, _ = tms.xy_bounds(last)
    return ",".join(f"{number!r}" for number in (left, bottom, right, top))
