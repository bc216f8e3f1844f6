"""Which tiles of each zoom contain data of a source, for the documents that announce them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rasterio.errors import RasterioError

from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutsideGrid
from tileserver.grid import TILE_PX, WEB_MERCATOR
from tileserver.library_internals import CPLE_BaseError
from tileserver.rasters.footprint import Extent, geographic_extent

UNREACHED = (OutsideGrid, RasterioError, CPLE_BaseError, ArithmeticError, ValueError)
"""Errors of a projection that does not cover a source."""


@dataclass(frozen=True, slots=True)
class TileLimits:
    """The tiles of one zoom that contain data, first and last included."""

    zoom: int
    matrix: str
    """The zoom's identifier in the tile matrix set."""
    min_row: int
    max_row: int
    min_col: int
    max_col: int


def tile_limits(layer: Layer) -> list[TileLimits]:
    """The limits of every served zoom; empty if the source lies outside the grid."""
    limits = [_limits(layer, zoom) for zoom in range(layer.grid.tms.minzoom, layer.max_zoom + 1)]
    return [one for one in limits if one is not None]


def _limits(layer: Layer, zoom: int) -> TileLimits | None:
    matrix, extent = layer.grid.tms.matrix(zoom), layer.extent_at(zoom)
    top, left = max(extent.row // TILE_PX, 0), max(extent.col // TILE_PX, 0)
    bottom = min((extent.row + extent.height - 1) // TILE_PX, matrix.matrixHeight - 1)
    right = min((extent.col + extent.width - 1) // TILE_PX, matrix.matrixWidth - 1)
    if layer.crosses and extent.col + extent.width > layer.grid.whole(zoom).width:
        left, right = (
            0,
            matrix.matrixWidth - 1,
        )  # at both ends of the grid: one range must span all columns
    if bottom < top or right < left:
        return None
    return TileLimits(zoom, str(matrix.id), top, bottom, left, right)


def covered_layers(source: Source, grids: list[str]) -> Iterator[tuple[Layer, list[TileLimits]]]:
    """The source on every grid that covers it, web mercator first."""
    for grid_id in sorted(grids, key=lambda name: (name != WEB_MERCATOR, name)):
        try:
            layer = source.layer(grid_id)
        except UNREACHED:
            continue
        if limits := tile_limits(layer):
            yield layer, limits


def geographic_bounds(source: Source) -> tuple[float, float, float, float]:
    """West, south, east and north of a source in degrees, from -180 to 180 and -90 to 90.

    Raises OutsideGrid for a full-disc picture, whose edges lie in space.
    """
    return geographic_extent(source.raster).bounds


def find_extent(source: Source) -> Extent:
    """West, south, east and north, east past 180 where the source crosses 180 degrees.

    Raises OutsideGrid as geographic_bounds does.
    """
    return geographic_extent(source.raster)


def geographic_centre(source: Source) -> tuple[float, float]:
    """Longitude and latitude of a source's centre; raises OutsideGrid as geographic_bounds does."""
    return geographic_extent(source.raster).centre
