"""Health checks: whether the server is warmed up, not hanging, not shutting down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from engine.window import Window
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.coverage import geographic_centre
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutsideGrid, SourceUnavailable
from tileserver.grid import TILE_PX, WEB_MERCATOR

logger = logging.getLogger(__name__)

WARM_PX = 64
VIEWER_ZOOMS = 2
"""Past native, where the viewer opens (PAST_NATIVE in view.js)."""
TICK_SECONDS = 0.1
RETRY_TICKS = 50
STOPPING, HANGS, WARMING = "shutting down", "the denoiser hangs", "warming up"


class Health:
    """The state behind /readyz."""

    def __init__(
        self, catalogue: Catalogue, running_since: Callable[[], float | None], hang_seconds: float
    ) -> None:
        """running_since: when the denoiser's current evaluation began (time.monotonic), or None."""
        self.catalogue, self.running_since = catalogue, running_since
        self.hang_seconds = hang_seconds
        self.warm = self.stopping = False
        self.others: tuple[str | None, ...] = ()
        """The problems of the server's other workers."""

    @property
    def problem(self) -> str | None:
        """Why this worker is not ready, as a fixed text; None if it is ready."""
        if self.stopping:
            return STOPPING
        if self.hanging:
            return HANGS
        return None if self.warm else WARMING

    @property
    def server_problem(self) -> str | None:
        """Why the server is not ready: one worker suffices while others warm up, none may hang."""
        if self.problem != STOPPING and HANGS in self.others:
            return HANGS
        return None if self.problem == WARMING and None in self.others else self.problem

    @property
    def hanging(self) -> bool:
        """Whether the current evaluation takes far too long. It cannot be cancelled."""
        since = self.running_since()
        return since is not None and time.monotonic() - since > self.hang_seconds

    def stop(self) -> None:
        """Report "shutting down" from now on."""
        self.stopping = True

    async def warm_up(self) -> None:
        """Draw the tile that a source opens with, retrying until one can be drawn."""
        while not (self.warm or self.stopping):
            await asyncio.to_thread(self._warm)
            for _ in range(RETRY_TICKS):
                if self.warm or self.stopping:
                    return
                await asyncio.sleep(TICK_SECONDS)

    def _warm(self) -> None:
        """Try every source until one is drawn; also initialises lazy parts of libraries."""
        failed = False
        for source in self.catalogue.sources():
            try:
                self._draw(source.id)
            except OutsideGrid:
                continue  # it has no tiles on this grid
            except SourceUnavailable as error:
                logger.warning("%s: cannot be read (%s)", source.id, error.__cause__ or error)
                failed = True
                continue
            except Exception:  # outermost handler: it is retried
                logger.exception("%s: warm-up failed", source.id)
                failed = True
                continue
            self.warm = True
            return
        self.warm = not failed

    def _draw(self, id: str) -> None:
        source = self.catalogue[id]
        layer = source.layer(WEB_MERCATOR)
        if layer.nearest is not None:
            middle = layer.extent.parent(2)
            row, col = middle.row + middle.height // 2, middle.col + middle.width // 2
            layer.read(layer.native_zoom, Window(row, col, WARM_PX, WARM_PX))
            return
        zoom, window = find_opening_tile(source, layer)
        layer.pyramid.picture(zoom).read(window)


def find_opening_tile(source: Source, layer: Layer) -> tuple[int, Window]:
    """The tile in the middle of the page that opens on a source: its zoom, and its pixels.

    Drawn once, its blocks stay in memory: the page's first visitor sees it at once. Raises
    OutsideGrid.
    """
    deeper = min(layer.native_zoom + VIEWER_ZOOMS, layer.max_zoom)
    lon, lat, wanted = source.settings.view or (*geographic_centre(source), deeper)
    zoom = min(max(wanted, layer.native_zoom), layer.max_zoom)
    tile = layer.grid.tms.tile(lon, lat, zoom, truncate=True)
    found = layer.windows(zoom, layer.grid.tile_window(tile))
    return zoom, found[0] if found else layer.extent_at(zoom).blocks(TILE_PX)[0]


def add_health(app: FastAPI, health: Health) -> None:
    """Register /healthz and /readyz; neither blocks."""

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process responds."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        """Ready: a tile has been drawn, no worker's denoiser hangs, no shutdown."""
        problem = health.server_problem
        if problem is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": problem}, 503, {"Retry-After": "1"})
