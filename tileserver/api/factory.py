"""titiler's factory with Overzoom's tiles: all its routes by source id, some of them our own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from attrs import define, field
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from tileserver.api.arcgis import add_arcgis_document, add_arcgis_tiles
from tileserver.api.documents.embed import add_embed
from tileserver.api.documents.ogc import add_tilesets
from tileserver.api.documents.pages import add_map_page
from tileserver.api.documents.style import add_style
from tileserver.api.documents.thumbnail import add_thumbnail
from tileserver.api.documents.tilejson import add_tilejson
from tileserver.api.documents.wmts import add_wmts
from tileserver.api.inspect import add_inspect
from tileserver.api.maps.answers import MapAnswers
from tileserver.api.maps.ogc_map import add_map
from tileserver.api.maps.service_exceptions import report_wms
from tileserver.api.maps.wms import add_source_wms
from tileserver.api.parameters import Sizes
from tileserver.api.reported_route import ReportedRoute
from tileserver.api.source_route import SourceRoute, ThreadedRoute
from tileserver.api.tile_response import Answers
from tileserver.api.tile_route import TileRoute
from tileserver.api.tiles import add_tiles
from tileserver.api.titiler_limits import STATISTICS_PX, Limits
from tileserver.api.titiler_route import TitilerRoute
from tileserver.api.uncertainty import add_uncertainty_documents, add_uncertainty_tiles
from tileserver.api.wmts_service import add_wmts_service, report_wmts
from tileserver.catalogue.catalogue_reader import CatalogueReader
from tileserver.catalogue.counting import counted_process
from tileserver.tiles.readers import Readers

BELOW = "/{source}"
"""Where a source's routes are."""


@define(kw_only=True)
class OverzoomFactory(TilerFactory):
    """Routes under /{source}: titiler's, with tiles and TileJSON that go past native.

    Five routers, because their routes differ in what is checked and where they run:

    documents   TileJSON, styles, legend: functions; parameters that they do not name are refused
    pages       capabilities, tilesets, maps: functions; parameters of pictures are handed on to
                the tiles, and their sizes are bounded
    router      titiler's own: functions that read pixels, with bounds of their sizes
    services    WMS, WMTS by keys and values: coroutines whose errors are documents of their own
    tiles       tiles (TileRoute), maps and single pixels: coroutines; parameters that they do not
                name are refused
    """

    answers: Answers
    maps: MapAnswers
    readers: Readers
    documents: APIRouter = field(init=False)
    pages: APIRouter = field(init=False)
    services: APIRouter = field(init=False)
    tiles: APIRouter = field(init=False)
    reader: type[CatalogueReader] = CatalogueReader
    process_dependency: Callable[..., Any] = counted_process
    img_preview_dependency: type[DefaultDependency] = Sizes
    img_part_dependency: type[DefaultDependency] = Sizes

    def all_routes(self) -> list[BaseRoute]:
        """The routes of all routers, in the order in which those of equal length are tried.

        They are an application's as they are: to include a router makes each of its routes again.
        """
        # The tiles last: their /{z}/{x}/{y}.{format} would take any word for a zoom.
        routers = (self.documents, self.pages, self.router, self.services, self.tiles)
        return [route for router in routers for route in router.routes]

    def register_routes(self) -> None:
        """Register ours in place of titiler's tiles, tilesets, TileJSON and map; the rest as is."""
        threads = {
            "readers": self.readers,
            "deadline_seconds": self.answers.deadline_seconds,
        }
        self.documents = make_router(ThreadedRoute, BELOW, known_only=True, **threads)
        self.pages = make_router(ThreadedRoute, BELOW, limits=Limits(), **threads)
        self.tiles = make_router(TileRoute, BELOW, known_only=True)
        self._add_documents()
        self._add_pages()
        self._add_services()
        add_tiles(self.tiles, self.answers)
        add_arcgis_tiles(self.tiles, self.answers)
        add_uncertainty_tiles(self.tiles, self.answers)
        self.tiles.route_class = _configure_route(SourceRoute, known_only=True)
        add_inspect(self.tiles, self.answers, self.path_dependency)
        add_map(self.tiles, self.maps, self.path_dependency)
        self._add_titilers(threads)

    def _add_documents(self) -> None:
        catalogue = self.answers.service.catalogue
        # First: /{tileMatrixSetId}/tilejson.json would take "uncertainty" for a grid.
        add_uncertainty_documents(self.documents, catalogue, self.path_dependency)
        add_tilejson(self.documents, catalogue, self.path_dependency)
        add_style(self.documents, catalogue, self.path_dependency)
        add_arcgis_document(self.documents, self.path_dependency)

    def _add_pages(self) -> None:
        grids = list(self.supported_tms.list())
        add_tilesets(self.pages, self.path_dependency, grids)
        add_wmts(self.pages, self.path_dependency, grids)
        add_map_page(self.pages, self.path_dependency)
        add_embed(self.pages, self.path_dependency)
        add_thumbnail(self.pages, self.path_dependency, self.answers.max_age_seconds)

    def _add_services(self) -> None:
        report = partial(report_wms, max_side_px=self.maps.max_side_px)
        self.services = make_router(ReportedRoute, BELOW, report=report)
        add_source_wms(self.services, self.maps, self.path_dependency)
        self.services.route_class = _configure_route(ReportedRoute, report=report_wmts)
        grids = list(self.supported_tms.list())
        add_wmts_service(self.services, self.answers, self.path_dependency, grids)

    def _add_titilers(self, threads: dict[str, Any]) -> None:
        """Register titiler's own routes that read pixels or say what a source is."""
        self.router = make_router(TitilerRoute, BELOW, limits=Limits(), **threads)
        self.info()  # type: ignore[no-untyped-call]  # the library's has no types
        self.point()  # type: ignore[no-untyped-call]  # the library's has no types
        self.preview()  # type: ignore[no-untyped-call]  # the library's has no types
        self.part()  # type: ignore[no-untyped-call]  # the library's has no types
        statistics = Limits(max_shape_px=STATISTICS_PX)
        self.router.route_class = _configure_route(TitilerRoute, limits=statistics, **threads)
        self.statistics()  # type: ignore[no-untyped-call]  # the library's has no types


def make_router(route: type[SourceRoute], prefix: str = "", **options: Any) -> APIRouter:
    """A router whose routes are of a class, with these options, below a prefix."""
    return APIRouter(prefix=prefix, route_class=_configure_route(route, **options))


def _configure_route(route: type[SourceRoute], **options: Any) -> type[APIRoute]:
    """What makes routes of a class with these options; FastAPI calls a route class, no more."""
    return cast(type[APIRoute], partial(route, **options))
