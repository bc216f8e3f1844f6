"""Limits on the parameters of titiler's own routes: bounded sizes, places on the globe.

titiler bounds neither the size of an image nor the numbers of a place. Tiles have their own checks;
these guard the rest.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import isfinite
from typing import Any

from starlette.requests import ClientDisconnect, Request

from tileserver.errors import BodyTooLarge, BodyTooSlow, Disconnected, OutOfRange
from tileserver.middleware.disconnect import note_arrival

MAX_SIDE_PX = 2048
STATISTICS_PX = 1024
"""Ten times finer on each side inside, for the shares of pixels that a shape covers."""
MAX_FEATURES = 8
"""Shapes of one request: each is read on its own, half a second for its statistics."""
BODY_SECONDS = 30.0
"""The largest body comes in by then at 280 kbit/s, a phone's with a weak signal."""
SIZES = ("width", "height", "max_size")
DEGREES = {"lon": 180, "lat": 90}
"""Places are in degrees where no other reference system is named."""
PLACES = ("minx", "miny", "maxx", "maxy", "lon", "lat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sides of images in pixels, at most."""

    max_side_px: int = MAX_SIDE_PX
    max_shape_px: int = MAX_SIDE_PX
    """Of those that are read for a shape in a request's body."""


def check_limits(request: Request, limits: Limits) -> None:
    """Raises OutOfRange for images too large, and for boxes and points that are none."""
    max_side_px = limits.max_shape_px if request.method == "POST" else limits.max_side_px
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
