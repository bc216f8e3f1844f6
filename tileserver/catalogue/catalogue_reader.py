"""rio-tiler's reader for a source of the catalogue, used by titiler's own routes."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any

from rasterio.crs import CRS
from rio_tiler.errors import NoOverviewWarning
from rio_tiler.io import Reader

from tileserver.catalogue.counting import CountedImage
from tileserver.catalogue.layers import Source
from tileserver.grid import Grid
from tileserver.rasters.footprint import geographic_extent


class CatalogueReader(Reader):
    """Holds a handle of a source for one request; its zooms are the served ones.

    As a context manager, raises SourceUnavailable where the source cannot be opened or read.
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
        self._ctx_stack.__exit__(kind, error, trace)  # closes a handle that failed

    def preview(self, *arguments: Any, **options: Any) -> CountedImage:
        """rio-tiler's preview, with bounded statistics."""
        return CountedImage.of(super().preview(*arguments, **options))

    def feature(self, *arguments: Any, **options: Any) -> CountedImage:
        """rio-tiler's image of a shape, with bounded statistics."""
        return CountedImage.of(super().feature(*arguments, **options))

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
