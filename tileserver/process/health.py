"""Whether the server is fit for requests: warmed up, not hanging, not shutting down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from engine.window import Window
from tileserver.catalogue.catalogue import Catalogue
from tileserver.errors import OutsideGrid
from tileserver.grid import WEB_MERCATOR

logger = logging.getLogger(__name__)

WARM_PX = 64
TICK_SECONDS = 0.1
RETRY_TICKS = 50


class Health:
    """What /readyz answers."""

    def __init__(
        self, catalogue: Catalogue, running_since: Callable[[], float | None], hang_seconds: float
    ) -> None:
        """running_since: when the evaluation that runs now began (time.monotonic), or None."""
        self.catalogue, self.running_since = catalogue, running_since
        self.hang_seconds = hang_seconds
        self.warm = self.stopping = False

    @property
    def trouble(self) -> str | None:
        """Why the server is not ready, in fixed words; None where it is."""
        if self.stopping:
            return "shutting down"
        if self.hanging:
            return "the denoiser hangs"
        return None if self.warm else "warming up"

    @property
    def hanging(self) -> bool:
        """Whether one evaluation takes far too long. It ends by itself or with the process."""
        since = self.running_since()
        return since is not None and time.monotonic() - since > self.hang_seconds

    def stop(self) -> None:
        """Answer "not ready" from now on."""
        self.stopping = True

    async def warm_up(self) -> None:
        """Draw one block of a source, again and again until one can be drawn."""
        while not (self.warm or self.stopping):
            await asyncio.to_thread(self._warm)
            for _ in range(RETRY_TICKS):
                if self.warm or self.stopping:
                    return
                await asyncio.sleep(TICK_SECONDS)

    def _warm(self) -> None:
        """Opens a source's file and the libraries' lazy parts."""
        failed = False
        for source in self.catalogue.sources():
            try:
                self._draw(source.id)
            except OutsideGrid:
                continue  # nothing of it will ever be drawn here
            except Exception:  # outermost: nobody waits for it, and it is tried again
                logger.exception("%s cannot be drawn", source.id)
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
    """Register /healthz and /readyz; neither waits for anything."""

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        """The checkpoint is loaded and has drawn a block, nothing hangs, nothing ends."""
        trouble = health.trouble
        if trouble is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": trouble}, 503, {"Retry-After": "1"})
