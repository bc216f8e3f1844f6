"""Drawing in time: what is left of a request's time for the interpolated pixels in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tileserver.errors import Overloaded
from tileserver.tiles.request import Mode, TileRequest
from tileserver.tiles.service import TileService

FALLBACK_SHARE = 0.25
"""Of a request's time: left for the interpolated pixels where the others do not come."""
FALLBACK_HEADERS = {"Cache-Control": "no-store", "X-Overzoom-Fallback": "busy"}

Drawn = TypeVar("Drawn")


async def draw_in_time(
    service: TileService, wanted: TileRequest, draw: Callable[[float], Awaitable[Drawn]]
) -> Drawn | None:
    """What draw gives within the seconds it is called with; None: fall back to interpolation.

    Raises Overloaded where it came too late and nothing takes its place.
    """
    settings = service.catalogue.settings
    has_fallback = wanted.origin == Mode.super_resolved and settings.when_busy != "refuse"
    try:
        share = 1 - FALLBACK_SHARE if has_fallback else 1.0
        return await draw(share * settings.deadline_seconds)
    except Overloaded:
        service.metrics.count_refused("busy")
        if not has_fallback:
            raise
        return None
