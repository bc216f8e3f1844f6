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
from tileserver.errors import OutsideGrid, SourceUnavailable
from tileserver.grid import WEB_MERCATOR

logger = logging.getLogger(__name__)

WARM_PX = 64
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
        """Draw one block of a source, retrying until one can be drawn."""
        while not (self.warm or self.stopping):
            await asyncio.to_thread(self._warm)
            for _ in range(RETRY_TICKS):
                if self.warm or self.stopping:
                    return
                await asyncio.sleep(TICK_SECONDS)

    def _warm(self) -> None:
        """Try every source until a block is drawn; also initialises lazy parts of libraries."""
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
        layer = self.catalogue[id].layer(WEB_MERCATOR)
        middle = layer.extent.parent(2)
        block = Window(
            middle.row + middle.height // 2, middle.col + middle.width // 2, WARM_PX, WARM_PX
        )
        if layer.nearest is not None:
            layer.read(layer.native_zoom, block)
            return
        layer.pyramid.picture(layer.native_zoom).read(block)
        layer.pyramid.picture(min(layer.native_zoom + 1, layer.max_zoom)).read(block.children())


def add_health(app: FastAPI, health: Health) -> None:
    """Register /healthz and /readyz; neither blocks."""

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process responds."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        """Ready: a block has been drawn, no worker's denoiser hangs, no shutdown."""
        problem = health.server_problem
        if problem is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": problem}, 503, {"Retry-After": "1"})
