"""What titiler's own routes may be asked for: bounded sizes, places on the globe.

titiler bounds neither the size of an image nor the numbers of a place, and answers 500 where a
library below it refuses them. Tiles have their own checks; these guard the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from math import isfinite
from traceback import walk_tb
from typing import Any

from rasterio.errors import RasterioError, RasterioIOError
from rio_tiler.errors import PointOutsideBounds, RioTilerError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from titiler.core.errors import DEFAULT_STATUS_CODES

from tileserver.api.parameters import check_known, check_parameters
from tileserver.api.source_route import SourceRoute
from tileserver.errors import BodyTooLarge, BodyTooSlow, Disconnected, OutOfRange
from tileserver.library_internals import CPLE_BaseError, parameter_names
from tileserver.middleware.disconnect import note_arrival

logger = logging.getLogger(__name__)

MAX_SIDE_PX = 2048
STATISTICS_PX = 1024
HEAVY_ROUTES = ("geojson_statistics",)
"""Ten times finer on each side inside, for the shares of pixels that a shape covers."""
MAX_FEATURES = 8
"""Shapes of one request: each is read on its own, half a second for its statistics."""
BODY_SECONDS = 30.0
"""The largest body comes in by then at 280 kbit/s, a phone's with a weak signal."""
SIZES = ("width", "height", "max_size")
OWN_ROUTES = (
    "tile",
    "xyz_tile",
    "uncertainty_tile",
    "tilejson",
    "xyz_tilejson",
    "uncertainty_tilejson",
    "xyz_uncertainty_tilejson",
    "uncertainty_legend",
    "inspect",
)
"""These check their own sizes and places."""
DEGREES = {"lon": 180, "lat": 90}
"""Places are in degrees where no other reference system is named."""
PLACES = ("minx", "miny", "maxx", "maxy", "lon", "lat")
REFUSALS = (ValueError, IndexError, KeyError, TypeError, ArithmeticError, RecursionError)
"""What the libraries raise for parameters that they cannot use."""
UNREADABLE = (RasterioIOError,)
ANSWERED = {error for error, status in DEFAULT_STATUS_CODES.items() if status < 500}
ANSWERED |= {PointOutsideBounds}
"""Errors that have an answer of their own."""
OURS = frozenset({"tileserver", "engine", "cache"})
LIBRARIES = frozenset({"titiler", "rio_tiler", "fastapi", "starlette", "pydantic"})
"""Packages that read parameters for titiler's routes."""


def check_limits(request: Request, max_side_px: int = MAX_SIDE_PX) -> None:
    """Raises OutOfRange for images too large, and for boxes and points that are none."""
    given = {**request.query_params, **request.path_params}
    for name in SIZES:
        if name in given and not 1 <= _number(name, given[name]) <= max_side_px:
            raise OutOfRange(name, f"1 to {max_side_px} pixels")
    place = {name: _number(name, given[name]) for name in PLACES if name in given}
    for low, high in (("minx", "maxx"), ("miny", "maxy")):
        if low in place and high in place and not place[low] < place[high]:
            raise OutOfRange(low, f"less than {high}")
    if "coord_crs" not in given:
        for name, limit in DEGREES.items():
            if abs(place.get(name, 0.0)) > limit:
                raise OutOfRange(name, f"-{limit} to {limit} degrees")


async def check_features(request: Request) -> None:
    """Raises BodyTooLarge for too many shapes, BodyTooSlow and Disconnected without a body.

    The body's size is bounded while it is read (guard).
    """
    if request.method not in ("POST", "PUT", "PATCH"):
        return
    try:
        async with asyncio.timeout(BODY_SECONDS):
            document = await request.json()  # kept by the request: parsed once
        note_arrival(request.scope)  # it is all there only now
    except TimeoutError:
        raise BodyTooSlow from None
    except ClientDisconnect:
        raise Disconnected from None
    except (ValueError, RecursionError):
        return  # refused by the route
    shapes = document.get("features") if isinstance(document, dict) else None
    if isinstance(shapes, list) and len(shapes) > MAX_FEATURES:
        raise BodyTooLarge


def _number(name: str, text: Any) -> float:
    try:
        value = float(text)
    except ValueError:
        raise OutOfRange(name, "a number") from None
    if not isfinite(value):
        raise OutOfRange(name, "a finite number")
    return value


def _is_fault(error: Exception) -> bool:
    """Whether an error is our own: the innermost package that it comes from is ours."""
    if not isinstance(error, REFUSALS):
        return False
    packages = [
        frame.f_globals.get("__name__", "").partition(".")[0]
        for frame, _ in walk_tb(error.__traceback__)
    ]
    known = [package for package in packages if package in OURS | LIBRARIES]
    return bool(known) and known[-1] in OURS


class LimitedRoute(SourceRoute):
    """A route of titiler's whose libraries' refusals of a parameter are answered 422, and logged.

    Whatever else fails in it, or in a route of ours, is a fault: 500, with a traceback in the log.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        known = parameter_names(self)

        async def checked(request: Request) -> Response:
            check_parameters(request)
            check_known(request, known)
            return await handler(request)

        if self.name in OWN_ROUTES:
            return checked

        titilers = self.endpoint.__module__.partition(".")[0] == "titiler"

        async def limited(request: Request) -> Response:
            check_parameters(request)
            check_limits(request, STATISTICS_PX if self.name in HEAVY_ROUTES else MAX_SIDE_PX)
            await check_features(request)
            try:
                return await handler(request)
            except (*REFUSALS, RasterioError, RioTilerError, CPLE_BaseError) as error:
                answered = isinstance(error, UNREADABLE) or type(error) in ANSWERED
                if not titilers or answered or _is_fault(error):
                    raise
                logger.info("refused %s: %r", request.url.path, error)
                raise OutOfRange("query", "not usable with this source") from error

        return limited
