"""rio-tiler's reader over a catalogued source: what titiler's own routes read through."""

from __future__ import annotations

import warnings

from rio_tiler.errors import NoOverviewWarning
from rio_tiler.io import Reader

from tileserver.catalogue import Source
from tileserver.grid import Grid
from tileserver.raster import open_raster


class CatalogueReader(Reader):
    """Opens its own handle to a source for one request; its zooms are the served ones."""

    input: Source  # type: ignore[assignment]  # the catalogue's, where rio-tiler has a path

    def __attrs_post_init__(self) -> None:
        self.dataset = self._ctx_stack.enter_context(open_raster(self.input.raster))
        with warnings.catch_warnings():
            # Sources without overviews are served; `overzoom info` says so once.
            warnings.simplefilter("ignore", NoOverviewWarning)
            super().__attrs_post_init__()  # type: ignore[no-untyped-call]

    @classmethod
    def of(cls, source: Source, grid: Grid) -> CatalogueReader:
        """A reader of a source on a grid."""
        return cls(source, tms=grid.tms)  # type: ignore[arg-type]

    @property
    def maxzoom(self) -> int:
        """The deepest served zoom, past native."""
        return self.input.layer(str(self.tms.id)).max_zoom
