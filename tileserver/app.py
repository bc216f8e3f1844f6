"""The application: settings in, ASGI out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import morecantile
import torch
from fastapi import FastAPI
from fastapi import Path as PathParam
from morecantile.defaults import TileMatrixSets
from rasterio.errors import RasterioError
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from cache import DiskStore, MemoryStore, Store, Tiered
from engine.errors import CheckpointError
from engine.window import Window
from tileserver.catalogue import Catalogue, Source
from tileserver.checkpoints import local_checkpoint
from tileserver.errors import StartupError, add_error_handlers
from tileserver.factory import OverzoomFactory
from tileserver.grid import WEB_MERCATOR
from tileserver.ogc import add_ogc, landing_page, wants_json
from tileserver.pages import VIEWER, add_api_page
from tileserver.renderer import Renderer
from tileserver.scheduler import Scheduler
from tileserver.settings import CacheSettings, Settings

logger = logging.getLogger(__name__)

WARM_PX = 64
PROVENANCE = ["ETag", "Server-Timing", "X-Overzoom", "X-Overzoom-Scale"]
PROVENANCE += ["X-Overzoom-Checkpoint", "X-Overzoom-Steps", "X-Overzoom-Noise-Seed"]


def make_app(settings: Settings) -> FastAPI:
    """The server of these settings; raises StartupError where it cannot start."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    catalogue = open_catalogue(settings)
    store = open_store(settings.cache)
    renderer = Renderer(catalogue, store, Scheduler(settings.queue_tiles, settings.merged_tiles))
    health = _Health(catalogue)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(asyncio.to_thread(health.warm_up))
        try:
            yield
        finally:
            await warming
            renderer.close()

    app = FastAPI(title="Overzoom", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], expose_headers=PROVENANCE)
    add_error_handlers(app)
    _add_viewer(app, catalogue)
    _add_health(app, health)
    add_ogc(app, catalogue)
    add_api_page(app)
    app.include_router(_tiles(renderer, settings).router, prefix="/{source}")
    app.state.renderer = renderer
    return app


def open_catalogue(settings: Settings) -> Catalogue:
    """Checkpoint and sources; raises StartupError in one line."""
    try:
        checkpoint = local_checkpoint(settings.checkpoint, settings.device)
    except CheckpointError as error:
        raise StartupError(str(error)) from error
    return Catalogue(settings, checkpoint, morecantile.tms)


def open_store(settings: CacheSettings) -> Tiered:
    """The tiers of the cache; without a disk tier where its folder cannot be had."""
    tiers: list[Store] = [MemoryStore(settings.memory_bytes)]
    if settings.disk_bytes > 0:
        folder = settings.disk_folder()
        try:
            tiers.append(DiskStore(folder, settings.disk_bytes))
        except OSError as error:
            logger.warning("no disk cache: %s", error)
    return Tiered(tiers)


def _tiles(renderer: Renderer, settings: Settings) -> OverzoomFactory:
    catalogue = renderer.catalogue

    def source_of(
        source: Annotated[str, PathParam(max_length=64, description="Id of a source.")],
    ) -> Source:
        return catalogue[source]

    grids = TileMatrixSets({name: grid.tms for name, grid in catalogue.grids.items()})
    return OverzoomFactory(
        renderer=renderer,
        path_dependency=source_of,
        supported_tms=grids,
        router_prefix="/{source}",
        max_age_seconds=settings.cache.max_age_seconds,
        name="overzoom",
    )


def _add_viewer(app: FastAPI, catalogue: Catalogue) -> None:
    app.mount("/viewer", StaticFiles(directory=VIEWER), name="viewer")

    @app.get("/", include_in_schema=False)
    async def viewer(request: Request) -> Response:
        if wants_json(request):
            return JSONResponse(landing_page(request, catalogue.sources()))
        return FileResponse(VIEWER / "index.html")

    @app.get("/sources.json")
    async def sources() -> list[dict[str, Any]]:
        """The sources, in the order of the configuration."""
        return [
            {
                "id": source.id,
                "attribution": source.settings.attribution,
                "reference": source.settings.reference,
            }
            for source in catalogue.sources()
        ]


class _Health:
    """Whether the server has drawn a block, found out at start-up beside the first requests."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.ready = False

    def warm_up(self) -> None:
        """Draw one block of the first source: opens its file and the libraries' lazy parts."""
        try:
            self._draw()
        except (OSError, RasterioError):
            logger.exception("the first source cannot be drawn: not ready")
            return
        self.ready = True

    def _draw(self) -> None:
        for source in self.catalogue.sources()[:1]:
            layer = source.layer(WEB_MERCATOR)
            middle = layer.extent.parent(2)
            block = Window(
                middle.row + middle.height // 2, middle.col + middle.width // 2, WARM_PX, WARM_PX
            )
            layer.pyramid.picture(layer.native_zoom).read(block)
            layer.pyramid.picture(min(layer.native_zoom + 1, layer.max_zoom)).read(block.children())


def _add_health(app: FastAPI, health: _Health) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        """The checkpoint is loaded and has drawn a block."""
        if health.ready:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "warming up"}, 503, {"Retry-After": "1"})
