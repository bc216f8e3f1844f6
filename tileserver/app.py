"""The application: settings in, ASGI out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from typing import Annotated

import torch
from fastapi import FastAPI
from fastapi import Path as PathParam
from morecantile.defaults import TileMatrixSets
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount

from tileserver.api.documents.ogc import add_ogc
from tileserver.api.documents.openapi import add_openapi
from tileserver.api.documents.pages import add_api_page
from tileserver.api.documents.sources import add_sources
from tileserver.api.documents.viewer import add_viewer
from tileserver.api.factory import OverzoomFactory, make_router
from tileserver.api.maps.answers import MapAnswers
from tileserver.api.maps.service_exceptions import report_wms
from tileserver.api.maps.wms import add_wms
from tileserver.api.reported_route import ReportedRoute
from tileserver.api.tile_response import Answers
from tileserver.assembly import open_catalogue, open_tile_service
from tileserver.catalogue.catalogue import Absent, Catalogue
from tileserver.catalogue.layers import Source
from tileserver.metrics import Metrics, add_metrics
from tileserver.middleware.api_keys import grant_of
from tileserver.middleware.error_handlers import add_error_handlers
from tileserver.middleware.stack import add_middleware
from tileserver.process.health import Health, add_health
from tileserver.process.memory import trim_periodically
from tileserver.settings.server import Settings
from tileserver.stores import open_store
from tileserver.tiles.maps.service import MapService
from tileserver.tiles.readers import Readers
from tileserver.tiles.service import MAX_READS

logger = logging.getLogger(__name__)

ROUTE_READERS = 4
"""Reads of a source at a time for titiler's routes: a document does not wait for a few slow
statistics."""


def make_app(settings: Settings) -> FastAPI:
    """The server of these settings; raises StartupError where it cannot start."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    store = open_store(settings.cache)  # first: the catalogue's probe is kept in its folder
    catalogue = open_catalogue(settings, every=False)
    metrics = Metrics(catalogue.checkpoint.name, catalogue.picture_fingerprint)
    service, operation = open_tile_service(catalogue, store, metrics), settings.operation
    readers = Readers(MAX_READS, settings.deadline_seconds, ROUTE_READERS)
    maps = MapService(service)
    scheduler = service.scheduler

    def slow_reads() -> int:
        return service.slow_reads + readers.slow + catalogue.slow_polls

    metrics.watch(scheduler, store.tiers, service.cluster, store.limits.values(), slow_reads)
    health = Health(catalogue, lambda: scheduler.running_since, operation.hang_seconds)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(health.warm_up())
        trimming = asyncio.create_task(trim_periodically())
        try:
            yield
        finally:
            trimming.cancel()
            health.stop()
            await warming
            if service.cluster is not None:
                await service.cluster.close()
            readers.close()
            maps.close()
            service.close()
            catalogue.close()

    app = FastAPI(
        title="Overzoom",
        lifespan=lifespan,
        openapi_url=None,  # add_openapi registers the document, with examples
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # would lead past the public URL's path
        servers=[{"url": settings.public_url.rstrip("/")}] if settings.public_url else None,
    )
    add_middleware(app, settings, metrics)
    add_error_handlers(app)
    seen = partial(_list_seen, catalogue)
    add_viewer(app, settings, seen)
    add_sources(app, seen)
    add_health(app, health)
    add_metrics(app, metrics)
    add_ogc(app, catalogue)
    add_api_page(app)
    factory = _make_factory(maps, readers, settings)
    _add_services(app, catalogue, factory.maps)
    app.router.routes += factory.all_routes()
    app.router.routes.sort(key=_count_elements, reverse=True)
    app.state.tiles, app.state.health = service, health
    return app


def _make_factory(maps: MapService, readers: Readers, settings: Settings) -> OverzoomFactory:
    service, max_age_seconds = maps.tiles, settings.cache.max_age_seconds
    catalogue = service.catalogue

    async def source_of(
        source: Annotated[str, PathParam(max_length=64, description="Id of a source.")],
    ) -> Source:
        return catalogue[source]

    grids = TileMatrixSets({name: grid.tms for name, grid in catalogue.grids.items()})
    return OverzoomFactory(
        answers=Answers(service, max_age_seconds),
        maps=MapAnswers(maps, max_age_seconds),
        readers=readers,
        path_dependency=source_of,
        supported_tms=grids,
        name="overzoom",
    )


def _count_elements(route: BaseRoute) -> float:
    """Elements of a route's path: tiles have most, and are found first.

    No parameter of ours spans a slash, so order decides between paths of equal length alone; but a
    mounted folder takes whatever lies below it.
    """
    return inf if isinstance(route, Mount) else getattr(route, "path", "").count("/")


def _list_seen(catalogue: Catalogue, request: Request) -> list[Source | Absent]:
    """The sources that a client may see."""
    grant = grant_of(request.scope)
    return [source for source in catalogue.configured() if grant.allows(source.id)]


def _add_services(app: FastAPI, catalogue: Catalogue, answers: MapAnswers) -> None:
    """Register what is answered of all sources together: WMS, and the document of all routes."""

    def seen(request: Request) -> list[Source]:
        return [one for one in _list_seen(catalogue, request) if isinstance(one, Source)]

    report = partial(report_wms, max_side_px=answers.max_side_px)
    router = make_router(ReportedRoute, report=report)
    add_wms(router, answers, seen)
    app.router.routes += router.routes
    add_openapi(app, seen)
