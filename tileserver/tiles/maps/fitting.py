"""An area on a grid: the zoom whose pixels fit it, and which of them it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from math import ceil, floor, sqrt

import numpy as np

from engine.window import Window
from tileserver.catalogue.coverage import UNREACHED
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutsideGrid, OutsideMap
from tileserver.grid import WEB_MERCATOR, Grid
from tileserver.rasters.footprint import Values, reproject
from tileserver.tiles.maps.area import Area

GRIDS = (WEB_MERCATOR, "WorldCRS84Quad")
"""Preferred, of those that are equally good."""
SLACK = 1e-6
"""Share of a pixel's side: differences of written numbers, not of sizes."""
SHIFT_PX = 0.01
"""Pixels whose corners are this near to each other are the same: it is not seen."""
MARGIN_PX = 8
"""Around what is resampled: cubic convolution reaches two pixels of the coarser of two grids, and
theirs differ by a factor of less than four."""
STRETCH = 2
"""Pixels that are stretched more than this squared are drawn from coarser zooms."""
FAIR = 2
"""The most that a grid stretches what is drawn on it, if there is another."""
SAMPLED = 33
"""Places along each side at which an area is projected onto a grid."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Which pixels of a zoom an area shows, and how large its own are beside them."""

    zoom: int
    window: Window
    """The pixels to read: the area's own where it is exact, else with a margin around them."""
    exact: bool
    """Whether the area's pixels are the zoom's own."""
    ratio: float
    """The side of the area's pixels in those of the zoom: 1 to 2, less past the deepest zoom."""


def choose_layer(source: Source, grids: Mapping[str, Grid], area: Area) -> Layer:
    """The source on the grid of the area's own system, else on web mercator, else on any.

    Grids that have all of the area, and do not stretch it, come first: near a pole others lack
    ground, or show it coarse. Raises OutsideGrid where it lies on none.
    """
    preferred = [name for name in dict.fromkeys((*GRIDS, *sorted(grids))) if name in grids]
    own = (name for name in preferred if grids[name].crs == area.system.crs)
    fair = (name for name in preferred if _is_fair(grids[name], area))
    for name in chain(own, fair, preferred):
        try:
            return source.layer(name)
        except UNREACHED:
            continue
    raise OutsideGrid


def _is_fair(grid: Grid, area: Area) -> bool:
    """Whether a grid has all of an area, and makes no long ellipses of its circles."""
    cols, rows = _lattice(area)
    x, y = _project(grid, area, cols, rows)
    if not grid.contains(x, y):
        return False
    width, height = area.pixel_sizes
    right_x, right_y = _project(grid, area, cols + 0.5, rows)
    down_x, down_y = _project(grid, area, cols, rows + 0.5)
    east, south = (right_x - x) / width, (right_y - y) / width
    west, north = (down_x - x) / height, (down_y - y) / height
    with np.errstate(invalid="ignore"):  # what is infinite is no place
        size = abs(east * north - south * west)  # the product of an ellipse's axes
        squares = east**2 + south**2 + west**2 + north**2  # the sum of their squares
        known = np.isfinite(squares) & (size > 0)
    if not known.any():
        return False
    ratio = float(np.median(squares[known] / size[known]))  # r + 1 / r of an axis to the other
    return ratio < FAIR + 1 / FAIR


def fit(layer: Layer, area: Area) -> Fit:
    """The coarsest zoom whose pixels are no larger than the area's, or the deepest.

    Raises OutsideMap for an area beside the source.
    """
    grid = layer.grid
    wide, high = _pixel_sides(grid, area)
    size = max(min(wide, high), sqrt(wide * high) / STRETCH)
    zooms = range(int(grid.tms.minzoom), layer.max_zoom + 1)
    fine = (zoom for zoom in zooms if grid.pixel_size(zoom) <= size * (1 + SLACK))
    zoom = next(fine, layer.max_zoom)
    window, exact = _exact_window(grid, area, zoom), True
    if window is None:
        window, exact = _window(grid, area, zoom), False
    clipped = _clip(layer, zoom, window, exact)
    return Fit(zoom, clipped, exact, sqrt(wide * high) / grid.pixel_size(zoom))


def _exact_window(grid: Grid, area: Area, zoom: int) -> Window | None:
    """The zoom's pixels that the area's are; None where they are others."""
    if grid.crs != area.system.crs:
        return None
    size, (x, y) = grid.pixel_size(zoom), grid.origin(zoom)
    left, bottom, right, top = area.bounds
    edges = [(left - x) / size, (right - x) / size, (y - top) / size, (y - bottom) / size]
    first_col, last_col, first_row, last_row = map(round, edges)
    near = all(abs(edge - round(edge)) < SHIFT_PX for edge in edges)
    if not near or (last_row - first_row, last_col - first_col) != (area.height, area.width):
        return None
    return Window(first_row, first_col, area.height, area.width)


def _window(grid: Grid, area: Area, zoom: int) -> Window:
    """The zoom's pixels that an area shows, with a margin."""
    x, y = _project(grid, area, *_lattice(area))
    size, (left, top) = grid.pixel_size(zoom), grid.origin(zoom)
    reached = np.isfinite(x) & np.isfinite(y)
    if not reached.any():
        raise OutsideMap
    whole = grid.whole(zoom)
    if not reached.all():  # it shows what the grid does not: it may show all that the grid does
        return whole
    if grid.goes_round and grid.crs != area.system.crs:
        x = _unwrap(x, turn=whole.width * size)
    limit = 2.0 * max(whole.height, whole.width)
    cols, rows = ((x - left) / size).clip(-limit, limit), ((top - y) / size).clip(-limit, limit)
    row, col = floor(rows.min()), floor(cols.min())
    window = Window(row, col, max(1, ceil(rows.max()) - row), max(1, ceil(cols.max()) - col))
    return window.dilated(MARGIN_PX)


def _lattice(area: Area) -> tuple[Values, Values]:
    """Columns and rows of places all over an area's pixels, its edges included."""
    cols, rows = (np.linspace(0, side, SAMPLED) for side in (area.width, area.height))
    cols, rows = np.meshgrid(cols, rows)
    return cols.ravel(), rows.ravel()


def _unwrap(x: Values, turn: float) -> Values:
    """Places row by row as they follow each other, past 180 degrees where they cross these.

    As they are where they show more than half of the Earth, as around a pole.
    """
    rows = np.unwrap(x.reshape(SAMPLED, SAMPLED), period=turn, axis=1)
    rows += np.unwrap(rows[:, :1], period=turn, axis=0) - rows[:, :1]
    return rows.ravel() if np.ptp(rows) < turn / 2 else x


def _clip(layer: Layer, zoom: int, window: Window, exact: bool) -> Window:
    """What of a window may show the source."""
    grid, extent = layer.grid, layer.extent_at(zoom).dilated(0 if exact else MARGIN_PX)
    whole, turns = grid.whole(zoom), [0]
    if grid.goes_round:  # a map may go on for a turn to either side, an extent past 180 degrees
        turns = [-1, 0, 1, 2]
        whole = Window(whole.row, whole.col - whole.width, whole.height, 3 * whole.width)
    turn = grid.whole(zoom).width
    limits = (replace(extent, col=extent.col - number * turn) for number in turns)
    parts = [whole.intersection(one) for one in limits]
    shown = [part for one in parts if one is not None and (part := one.intersection(window))]
    if not shown:
        raise OutsideMap
    return reduce(Window.union, shown)


def _pixel_sides(grid: Grid, area: Area) -> tuple[float, float]:
    """Width and height of the area's pixels in units of the grid, in the median."""
    if grid.crs == area.system.crs:
        return area.pixel_sizes
    share = (np.arange(SAMPLED) + 0.5) / SAMPLED
    cols, rows = (places.ravel() for places in np.meshgrid(share * area.width, share * area.height))
    x, y = _project(grid, area, cols, rows)
    sides = []
    with np.errstate(invalid="ignore"):  # what is infinite is no place
        for right, down in ((1, 0), (0, 1)):
            next_x, next_y = _project(grid, area, cols + right, rows + down)
            lengths = np.hypot(next_x - x, next_y - y)
            known = lengths[np.isfinite(lengths) & (lengths > 0)]
            if not known.size:
                raise OutsideMap
            sides.append(float(np.median(known)))
    return sides[0], sides[1]


def _project(grid: Grid, area: Area, cols: Values, rows: Values) -> tuple[Values, Values]:
    """Places in an area's pixels as x and y of a grid; infinite where that does not reach them."""
    place = area.transform
    x, y = place.a * cols + place.c, place.e * rows + place.f
    return reproject(area.system.crs, grid.crs, x, y)
