"""titiler's factory with Overzoom's tiles: all its routes by source id, some of them our own."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from attrs import define, field
from fastapi import APIRouter, Depends, Path, Query
from morecantile import Tile
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from cache import TileKey
from tileserver.catalogue import Source
from tileserver.departure import while_there
from tileserver.documents.embed import add_embed
from tileserver.documents.ogc import add_tilesets
from tileserver.documents.pages import add_map_page
from tileserver.documents.thumbnail import add_thumbnail
from tileserver.documents.tilejson import tilejson_document
from tileserver.documents.wmts import Wmts
from tileserver.encoding import ImageFormat
from tileserver.errors import OutOfRange, Overloaded, SourceChanged, SourceUnavailable
from tileserver.grid import TILE_PX, WEB_MERCATOR
from tileserver.limits import LimitedRoute
from tileserver.operation.access import links_with_key
from tileserver.operation.turns import turn_of
from tileserver.parameters import Sizes
from tileserver.reader import CatalogueReader
from tileserver.renderer import Rendered, Renderer
from tileserver.rendering import Rendering, rendering_parameters
from tileserver.tile_request import Mode, TileRequest
from tileserver.versions import version

MAX_INDEX = 2**31 - 1
IMMUTABLE = "public, max-age=31536000, immutable"

Zoom = Annotated[int, Path(ge=0, le=30, description="Zoom.")]
Index = Annotated[int, Path(ge=0, le=MAX_INDEX, description="Tile column (x) or row (y).")]
GridId = Annotated[str, Path(max_length=64, description="Tile matrix set.")]
Scale = Annotated[int, Field(ge=1, le=2, description="1: 256 px; 2: 512 px.")]
TileSize = Annotated[int | None, Query(description=f"Side of a tile: {TILE_PX} or {2 * TILE_PX}.")]
ModeParam = Annotated[Mode, Query(description="How zooms past native are made.")]
Shown = Annotated[Rendering, Depends(rendering_parameters)]


@define(kw_only=True)
class OverzoomFactory(TilerFactory):
    """Routes under /{source}: titiler's, with tiles and TileJSON that go past native."""

    renderer: Renderer
    router: APIRouter = field(factory=lambda: APIRouter(route_class=LimitedRoute))
    reader: type[CatalogueReader] = CatalogueReader
    img_preview_dependency: type[DefaultDependency] = Sizes
    img_part_dependency: type[DefaultDependency] = Sizes
    max_age_seconds: int = 3600
    extensions: list[Any] = field(factory=lambda: [Wmts()])

    def register_routes(self) -> None:
        """titiler's routes; the tiles' come first, because routes are tried in order."""
        self.overzoom_tiles()
        super().register_routes()  # type: ignore[no-untyped-call]

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
        ) -> Response:
            """A tile of the web mercator grid, past the native zoom super-resolved."""
            tile, scale = Tile(x, y, z), _scale(scale, tilesize)
            wanted = self.renderer.request(
                source, WEB_MERCATOR, tile, format, mode, scale, rendering
            )
            return await self.answer(request, wanted)

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
        ) -> Response:
            """A tile, past the native zoom super-resolved."""
            tile, scale = Tile(x, y, z), _scale(scale, tilesize)
            wanted = self.renderer.request(
                source, tileMatrixSetId, tile, format, mode, scale, rendering
            )
            return await self.answer(request, wanted)

    async def answer(self, request: Request, wanted: TileRequest) -> Response:
        """The tile, or 304 before any work where the client has it."""
        try:
            return await self._answer(request, wanted)
        except SourceUnavailable as error:
            replaced = self.renderer.catalogue[wanted.source.id] is not wanted.source
            if not (replaced or isinstance(error, SourceChanged)):
                raise
            current = self.renderer.current(wanted)
            wanted = await while_there(request, current, self._deadline_seconds)
            return await self._answer(request, wanted)

    async def _answer(self, request: Request, wanted: TileRequest) -> Response:
        key = self.renderer.key(wanted)
        headers = self._headers(request, wanted, key.etag)
        if _matches(request.headers.get("if-none-match"), key.etag):
            return Response(status_code=304, headers=headers)
        rendered = self.renderer.fast(key.path)
        if rendered is None:
            try:
                rendered = await self._render(request, wanted, key)
            except Overloaded:
                self.renderer.metrics.refused("busy")
                if wanted.origin != Mode.super_resolved or self._refuses:
                    raise
                return await self._fallback(request, wanted)
        self.renderer.metrics.found(rendered.tier)
        return _image(wanted, rendered, headers)

    async def _render(self, request: Request, wanted: TileRequest, key: TileKey) -> Rendered:
        async def in_turn() -> Rendered:
            async with turn_of(request.scope):
                return await self.renderer.render(wanted, key.path)

        return await while_there(request, in_turn(), self._deadline_seconds)

    @property
    def _deadline_seconds(self) -> float:
        return self.renderer.catalogue.settings.deadline_seconds

    @property
    def _refuses(self) -> bool:
        return self.renderer.catalogue.settings.when_busy == "refuse"

    async def _fallback(self, request: Request, wanted: TileRequest) -> Response:
        """The interpolated tile in place of one that could not be drawn in time; not to be kept."""
        plain = wanted.interpolated()
        rendered = await self._render(request, plain, self.renderer.key(plain))
        headers = {
            "Cache-Control": "no-store",
            "X-Overzoom": plain.origin,
            "X-Overzoom-Fallback": "busy",
        }
        return _image(plain, rendered, headers)

    def _headers(self, request: Request, wanted: TileRequest, etag: str) -> dict[str, str]:
        """What the pixels are, and how long they may be kept."""
        headers = {
            "ETag": etag,
            "Cache-Control": f"public, max-age={self.max_age_seconds}",
            "X-Overzoom": wanted.origin,
        }
        catalogue, asked = self.renderer.catalogue, request.query_params.get("v")
        if asked is not None and asked == version(catalogue, wanted.source, sampled=True):
            headers["Cache-Control"] = IMMUTABLE
        if wanted.origin == Mode.super_resolved:
            headers["X-Overzoom-Scale"] = str(2 ** (wanted.pixel_zoom - wanted.layer.native_zoom))
            headers["X-Overzoom-Checkpoint"] = (
                f"{quote(catalogue.checkpoint.name)}/{catalogue.checkpoint.fingerprint}"
            )
            headers["X-Overzoom-Steps"] = str(catalogue.settings.steps)
            headers["X-Overzoom-Noise-Seed"] = str(catalogue.settings.noise_seed)
        return headers

    def tilesets(self) -> None:
        """Register the metadata of OGC API Tiles."""
        add_tilesets(self.router, self.path_dependency, list(self.supported_tms.list()))

    def map_viewer(self) -> None:
        """Register a map page that loads nothing from elsewhere, and snippets for other pages."""
        add_map_page(self.router, self.path_dependency)
        add_embed(self.router, self.path_dependency)

    def preview(self) -> None:
        """Register titiler's previews, and the thumbnail of the list of sources."""
        add_thumbnail(self.router, self.path_dependency, self.max_age_seconds)
        super().preview()  # type: ignore[no-untyped-call]

    def tilejson(self) -> None:
        """Register TileJSON, whose maxzoom is the served one."""

        @self.router.get("/{tileMatrixSetId}/tilejson.json")
        def tilejson(
            request: Request,
            tileMatrixSetId: GridId,
            rendering: Shown,
            tile_format: ImageFormat = ImageFormat.png,
            tilesize: TileSize = None,
            mode: ModeParam = Mode.super_resolved,
            source: Source = Depends(self.path_dependency),
        ) -> dict[str, Any]:
            """TileJSON 3.0; its member "overzoom" says what is native and what is made."""
            route = {"z": "{z}", "x": "{x}", "y": "{y}", "format": str(tile_format)}
            url = self.url_for(request, "tile", tileMatrixSetId=tileMatrixSetId, **route)
            scale = _scale(1, tilesize)
            document = tilejson_document(
                self.renderer, source, tileMatrixSetId, url, mode, scale, rendering
            )
            return links_with_key(document, request)

        @self.router.get("/tilejson.json")
        def xyz_tilejson(
            request: Request,
            rendering: Shown,
            tile_format: ImageFormat = ImageFormat.png,
            tilesize: TileSize = None,
            mode: ModeParam = Mode.super_resolved,
            source: Source = Depends(self.path_dependency),
        ) -> dict[str, Any]:
            """The TileJSON of the web mercator grid."""
            route = {"z": "{z}", "x": "{x}", "y": "{y}", "format": str(tile_format)}
            url, scale = self.url_for(request, "xyz_tile", **route), _scale(1, tilesize)
            document = tilejson_document(
                self.renderer, source, WEB_MERCATOR, url, mode, scale, rendering
            )
            return links_with_key(document, request)


def _scale(scale: int, tilesize: int | None) -> int:
    """1 or 2, from @2x or from tilesize, which must not contradict each other."""
    if tilesize is None:
        return scale
    if tilesize not in (TILE_PX, 2 * TILE_PX) or scale not in (1, tilesize // TILE_PX):
        raise OutOfRange
    return tilesize // TILE_PX


def _image(wanted: TileRequest, rendered: Rendered, headers: dict[str, str]) -> Response:
    timing = [f"{stage};dur={spent:.1f}" for stage, spent in rendered.milliseconds.items()]
    timing.insert(0, f'cache;desc="{rendered.tier or "miss"}"')
    headers["Server-Timing"] = ", ".join(timing)
    return Response(rendered.content, media_type=wanted.format.media_type, headers=headers)


def _matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names the tag; weak comparison, as RFC 9110 asks."""
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag in tags
