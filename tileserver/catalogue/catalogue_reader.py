"""rio-tiler's reader for a source of the catalogue, used by titiler's own routes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.features import bounds
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform, transform_bounds, transform_geom
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import NoOverviewWarning, RioTilerError
from rio_tiler.io import Reader
from rio_tiler.models import ImageData, PointData
from rio_tiler.utils import get_vrt_transform

from tileserver.catalogue.counting import CountedImage
from tileserver.catalogue.layers import Source
from tileserver.errors import OutOfRange
from tileserver.grid import Grid
from tileserver.library_internals import CPLE_BaseError
from tileserver.rasters.footprint import geographic_extent

FAILURES = (RasterioError, CPLE_BaseError, ArithmeticError)
"""What GDAL and its callers raise: for files that fail, and for places that cannot be."""
WITHIN_REACH = "a place, or an area with a width and a height, that the reference systems reach"
Box = tuple[float, float, float, float]


class CatalogueReader(Reader):
    """Holds a handle of a source for one request; its zooms are the served ones.

    As a context manager, raises SourceUnavailable where the source cannot be opened or read. Its
    methods raise OutOfRange for places and reference systems that cannot be used: what fails is
    tried again without the pixels, so that what works costs nothing.
    """

    input: Source  # type: ignore[assignment]  # the catalogue's, where rio-tiler has a path

    def __attrs_post_init__(self) -> None:
        self.dataset = self._ctx_stack.enter_context(self.input.handles.acquire_stored())
        with warnings.catch_warnings():
            # Sources without overviews are served; `overzoom info` says so once.
            warnings.simplefilter("ignore", NoOverviewWarning)
            super().__attrs_post_init__()  # type: ignore[no-untyped-call]  # the library's has no types

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OutOfRange | RioTilerError):  # refused: the handle is sound
            self._ctx_stack.close()
        else:
            self._ctx_stack.__exit__(kind, error, trace)  # closes a handle that failed

    def point(
        self, lon: float, lat: float, coord_crs: CRS = WGS84_CRS, *arguments: Any, **options: Any
    ) -> PointData:
        """rio-tiler's values of a place."""
        try:
            return super().point(lon, lat, coord_crs, *arguments, **options)
        except FAILURES:
            with _refuse("coordinates", WITHIN_REACH):
                transform(coord_crs, self.crs, [lon], [lat])
            raise

    def part(
        self,
        bbox: Box,
        dst_crs: CRS | None = None,
        bounds_crs: CRS = WGS84_CRS,
        *arguments: Any,
        **options: Any,
    ) -> ImageData:
        """rio-tiler's image of a box."""
        try:
            return super().part(bbox, dst_crs, bounds_crs, *arguments, **options)
        except FAILURES:
            self._check_system(dst_crs or bounds_crs)
            with _refuse("coordinates", WITHIN_REACH):
                self._project_part(bbox, dst_crs or bounds_crs, bounds_crs, options)
            raise

    def preview(self, *arguments: Any, **options: Any) -> CountedImage:
        """rio-tiler's preview, with bounded statistics."""
        try:
            return CountedImage.of(super().preview(*arguments, **options))
        except FAILURES:
            self._check_system(options.get("dst_crs"))
            raise

    def feature(
        self,
        shape: dict[str, Any],
        dst_crs: CRS | None = None,
        shape_crs: CRS = WGS84_CRS,
        *arguments: Any,
        **options: Any,
    ) -> CountedImage:
        """rio-tiler's image of a shape, with bounded statistics."""
        try:
            return CountedImage.of(
                super().feature(shape, dst_crs, shape_crs, *arguments, **options)
            )
        except FAILURES:
            system, geometry = dst_crs or shape_crs, shape.get("geometry", shape)
            with _refuse("coordinates", WITHIN_REACH):
                transform_geom(shape_crs, system, geometry)
                self._project_part(bounds(geometry), system, shape_crs, options)
            raise

    def _check_system(self, crs: CRS | None) -> None:
        """Raises OutOfRange for a reference system that does not show the source."""
        if crs is not None and crs != self.crs:
            with (
                _refuse("reference system", "one that reaches this source"),
                WarpedVRT(self.dataset, crs=crs),
            ):
                pass

    def _project_part(self, bbox: Box, crs: CRS, bounds_crs: CRS, options: dict[str, Any]) -> None:
        """Do all that `part` does before it reads; raises one of FAILURES."""
        box = (
            bbox if bounds_crs == crs else transform_bounds(bounds_crs, crs, *bbox, densify_pts=21)
        )
        place, width, height = get_vrt_transform(
            self.dataset,
            box,
            options.get("height"),
            options.get("width"),
            dst_crs=crs,
            align_bounds_with_dataset=options.get("align_bounds_with_dataset", False),
        )
        with WarpedVRT(self.dataset, crs=crs, transform=place, width=width, height=height):
            pass

    @classmethod
    def of(cls, source: Source, grid: Grid) -> CatalogueReader:
        """A reader of a source on a grid."""
        return cls(source, tms=grid.tms)  # type: ignore[arg-type]  # a source, where rio-tiler has a path

    def get_geographic_bounds(self, crs: CRS) -> tuple[float, float, float, float]:
        """West, south, east, north; east below west where the source crosses 180 degrees."""
        extent = geographic_extent(self.input.raster, crs)
        east = extent.east - 360 if extent.crosses else extent.east
        return extent.west, extent.south, east, extent.north

    @property
    def minzoom(self) -> int:
        """The zoom at which the whole source fits about one tile."""
        return self.input.layer(str(self.tms.id)).least_zoom

    @property
    def maxzoom(self) -> int:
        """The deepest served zoom, past native."""
        return self.input.layer(str(self.tms.id)).max_zoom


@contextmanager
def _refuse(parameter: str, allowed: str) -> Iterator[None]:
    """Raises OutOfRange for what fails although nothing is read."""
    try:
        yield
    except FAILURES as error:
        raise OutOfRange(parameter, allowed) from error
