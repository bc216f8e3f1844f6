"""titiler's factory with Overzoom's tiles: all its routes by source id, some of them our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, define, field
from fastapi import APIRouter, Depends
from morecantile import Tile
from starlette.requests import Request
from starlette.responses import Response
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from tileserver.api.documents.embed import add_embed
from tileserver.api.documents.ogc import add_tilesets
from tileserver.api.documents.pages import add_map_page
from tileserver.api.documents.thumbnail import add_thumbnail
from tileserver.api.documents.tilejson import for_client, tilejson_document
from tileserver.api.documents.wmts import Wmts
from tileserver.api.inspect import add_inspect
from tileserver.api.parameters import Sizes
from tileserver.api.tile_parameters import (
    Asked,
    Detail,
    GridId,
    Index,
    ModeParam,
    NoiseSeed,
    Scale,
    Shown,
    TileSize,
    Zoom,
    asked_parameters,
    scale_of,
)
from tileserver.api.tile_response import Answers
from tileserver.api.titiler_limits import LimitedRoute
from tileserver.api.uncertainty import add_uncertainty
from tileserver.catalogue.catalogue_reader import CatalogueReader
from tileserver.catalogue.counting import counted_process
from tileserver.catalogue.layers import Source
from tileserver.grid import WEB_MERCATOR
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.readers import Readers
from tileserver.tiles.request import Mode


@define(kw_only=True)
class OverzoomFactory(TilerFactory):
    """Routes under /{source}: titiler's, with tiles and TileJSON that go past native."""

    answers: Answers
    readers: Readers
    router: APIRouter = field(default=Factory(lambda self: self._limited(), takes_self=True))
    reader: type[CatalogueReader] = CatalogueReader
    process_dependency: Callable[..., Any] = counted_process
    img_preview_dependency: type[DefaultDependency] = Sizes
    img_part_dependency: type[DefaultDependency] = Sizes
    extensions: list[Any] = field(factory=lambda: [Wmts()])

    def register_routes(self) -> None:
        """titiler's routes last, because routes are tried in order."""
        # Before the tiles: /{z}/{x}/{y}.{format} would take uncertainty for a zoom.
        add_uncertainty(self.router, self.answers, self.path_dependency, self.url_for)
        self.overzoom_tiles()
        add_inspect(self.router, self.answers, self.path_dependency)
        super().register_routes()  # type: ignore[no-untyped-call]

    def _limited(self) -> APIRouter:
        route = LimitedRoute.of(self.readers, self.answers.deadline_seconds)
        return APIRouter(route_class=route)

    def tile(self) -> None:
        """Registered by overzoom_tiles."""

    def overzoom_tiles(self) -> None:
        """Register the tile routes: plain XYZ, and by tile matrix set."""
        images = {
            200: {"content": {f.media_type: {} for f in ImageFormat}, "description": "A tile."}
        }
        options: dict[str, Any] = {"response_class": Response, "responses": images}

        # The lowest decorator registers first: "@2x" and ".png" before what would swallow them.
        @self.router.get("/{z}/{x}/{y}.{format}", **options)
        @self.router.get("/{z}/{x}/{y}@{scale}x.{format}", **options)
        async def xyz_tile(
            request: Request,
            source: str,
            z: Zoom,
            x: Index,
            y: Index,
            format: ImageFormat,
            rendering: Shown,
            scale: Scale = 1,
            mode: ModeParam = Mode.super_resolved,
            tilesize: TileSize = None,
            noise_seed: NoiseSeed = None,
            detail: Detail = None,
        ) -> Response:
            """A tile of the web mercator grid, past the native zoom super-resolved."""
            tile, scale = Tile(x, y, z), scale_of(scale, tilesize)
            wanted = self.answers.renderer.request(
                source, WEB_MERCATOR, tile, format, mode, scale, rendering, noise_seed, detail
            )
            return await self.answers.answer(request, wanted)

        @self.router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}", **options)
        @self.router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}@{scale}x", **options)
        @self.router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}", **options)
        @self.router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}@{scale}x.{format}", **options)
        async def tile(
            request: Request,
            source: str,
            tileMatrixSetId: GridId,
            z: Zoom,
            x: Index,
            y: Index,
            rendering: Shown,
            format: ImageFormat = ImageFormat.png,
            scale: Scale = 1,
            mode: ModeParam = Mode.super_resolved,
            tilesize: TileSize = None,
            noise_seed: NoiseSeed = None,
            detail: Detail = None,
        ) -> Response:
            """A tile, past the native zoom super-resolved."""
            tile, scale = Tile(x, y, z), scale_of(scale, tilesize)
            wanted = self.answers.renderer.request(
                source, tileMatrixSetId, tile, format, mode, scale, rendering, noise_seed, detail
            )
            return await self.answers.answer(request, wanted)

    def tilesets(self) -> None:
        """Register the metadata of OGC API Tiles."""
        add_tilesets(self.router, self.path_dependency, list(self.supported_tms.list()))

    def map_viewer(self) -> None:
        """Register a map page that loads nothing from elsewhere, and snippets for other pages."""
        add_map_page(self.router, self.path_dependency)
        add_embed(self.router, self.path_dependency)

    def preview(self) -> None:
        """Register titiler's previews, and the thumbnail of the list of sources."""
        add_thumbnail(self.router, self.path_dependency, self.answers.max_age_seconds)
        super().preview()  # type: ignore[no-untyped-call]

    def tilejson(self) -> None:
        """Register TileJSON, whose maxzoom is the served one."""

        def document(
            request: Request, source: Source, grid_id: str, asked: Asked, route: str, **place: str
        ) -> dict[str, Any]:
            tile = {"z": "{z}", "x": "{x}", "y": "{y}", "format": str(asked.format)}
            url = self.url_for(request, route, **place, **tile)
            found = tilejson_document(self.answers.renderer, source, grid_id, url, asked)
            return for_client(found, request)

        @self.router.get("/{tileMatrixSetId}/tilejson.json")
        def tilejson(
            request: Request,
            tileMatrixSetId: GridId,
            asked: Asked = Depends(asked_parameters),
            source: Source = Depends(self.path_dependency),
        ) -> dict[str, Any]:
            """TileJSON 3.0; its member "overzoom" says what is native and what is made."""
            grid = tileMatrixSetId
            return document(request, source, grid, asked, "tile", tileMatrixSetId=grid)

        @self.router.get("/tilejson.json")
        def xyz_tilejson(
            request: Request,
            asked: Asked = Depends(asked_parameters),
            source: Source = Depends(self.path_dependency),
        ) -> dict[str, Any]:
            """The TileJSON of the web mercator grid."""
            return document(request, source, WEB_MERCATOR, asked, "xyz_tile")
