"""A small picture of a source's own pixels, in the colours of its tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from tileserver.catalogue.catalogue_reader import CatalogueReader
from tileserver.catalogue.layers import Source
from tileserver.errors import OutOfRange
from tileserver.rasters.raster import Raster
from tileserver.tiles.encoding import ImageFormat, encode
from tileserver.tiles.levels import render_levels, shows_classes
from tileserver.tiles.pixels import scale_image
from tileserver.tiles.rendering import PLAIN

SIDE_PX = 256
QUICK_PX = 4096**2
"""Pixels that a thumbnail may be made of: half a second's reading."""


def add_thumbnail(
    router: APIRouter, path_dependency: Callable[..., Any], max_age_seconds: int
) -> None:
    """Register the thumbnail of a source."""

    @router.get("/thumbnail.webp", response_class=Response)
    def thumbnail_image(source: Source = Depends(path_dependency)) -> Response:
        """The whole source in at most 256 x 256 px, transparent where it has no data."""
        headers = {"Cache-Control": f"public, max-age={max_age_seconds}"}
        return Response(thumbnail(source), media_type="image/webp", headers=headers)


def thumbnail(source: Source) -> bytes:
    """A WebP picture on the source's own grid.

    Raises OutOfRange where it is not quick, SourceUnavailable where it cannot be read.
    """
    raster = source.raster
    if not quick(raster):
        raise OutOfRange("source", "has no overviews, so a thumbnail would take too long")
    with CatalogueReader(source) as reader:  # type: ignore[arg-type]  # a source, where rio-tiler has a path
        method = "nearest" if raster.nearest else "average"
        image = reader.preview(indexes=raster.indexes, max_size=SIDE_PX, resampling_method=method)
    levels, opaque = render_levels(*scale_image(image, raster), raster, PLAIN)
    return encode(levels, opaque, ImageFormat.webp, lossless=shows_classes(raster, PLAIN))


def quick(raster: Raster) -> bool:
    """Whether few pixels are read for a thumbnail, by overviews or because there are few."""
    most = max(raster.height, raster.width) / SIDE_PX
    factor = max((one for one in raster.overviews if one <= most), default=1)
    return raster.height * raster.width <= QUICK_PX * factor**2
