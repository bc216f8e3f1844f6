"""What titiler's own routes may be asked for: bounded sizes, places on the globe.

titiler bounds neither the size of an image nor the numbers of a place, and answers 500 where a
library below it refuses them. Tiles have their own checks; these guard the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from math import isfinite
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from tileserver.errors import OutOfRange

logger = logging.getLogger(__name__)

MAX_SIDE_PX = 2048
SIZES = ("width", "height", "max_size")
OWN_ROUTES = ("tile", "xyz_tile")
"""These check their own parameters: what fails in them is a fault, and is answered as one."""
PLACES = ("minx", "miny", "maxx", "maxy", "lon", "lat")
REFUSALS = (ValueError, IndexError, KeyError, TypeError, ArithmeticError)
"""What the libraries raise for parameters that they cannot use."""


def check_limits(request: Request) -> None:
    """Raises OutOfRange for images too large, and for boxes and points that are none."""
    given = {**request.query_params, **request.path_params}
    for name in SIZES:
        if name in given and not 1 <= _number(given[name]) <= MAX_SIDE_PX:
            raise OutOfRange
    place = {name: _number(given[name]) for name in PLACES if name in given}
    if "minx" in place and "maxx" in place and not place["minx"] < place["maxx"]:
        raise OutOfRange
    if "miny" in place and "maxy" in place and not place["miny"] < place["maxy"]:
        raise OutOfRange


def _number(text: Any) -> float:
    try:
        value = float(text)
    except ValueError:
        raise OutOfRange from None
    if not isfinite(value):
        raise OutOfRange
    return value


class LimitedRoute(APIRoute):
    """A route whose libraries' refusals of a parameter are answered 422, and logged."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        if self.name in OWN_ROUTES:
            return handler

        async def limited(request: Request) -> Response:
            check_limits(request)
            try:
                return await handler(request)
            except REFUSALS as error:
                logger.info("refused %s: %r", request.url.path, error)
                raise OutOfRange from error

        return limited
