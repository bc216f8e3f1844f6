"""Private APIs of libraries that are used here, each with the reason.

A new version of a library may move these: this is the one file to change then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rasterio._err import CPLE_BaseError, stack_errors

if TYPE_CHECKING:
    from fastapi.routing import APIRoute

__all__ = ["CPLE_BaseError", "forget_errors", "parameter_names"]

# CPLE_BaseError: GDAL's own errors leave rasterio's masks, overviews and copies as they are, and
# are no subclass of RasterioError; rasterio has no public name for them.


def forget_errors() -> None:
    """Forget GDAL's last error of this thread.

    rasterio leaves the error of a failed read there, and some of its properties raise it later, of
    whatever raster they are asked. It has no public way to reset it.
    """
    with stack_errors():
        pass  # they are reset before the block


def parameter_names(route: APIRoute) -> frozenset[str]:
    """The names of all parameters of a route, with those of its dependencies.

    FastAPI shows them in public by way of the whole OpenAPI document alone.
    """
    from fastapi.dependencies.utils import get_flat_params  # a second, which no command needs

    return frozenset(parameter.alias for parameter in get_flat_params(route.dependant))
