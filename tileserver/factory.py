"""titiler's factory with Overzoom's tiles: all its routes by source id, two of them our own."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from attrs import define, field
from fastapi import APIRouter, Depends, Path, Query
from morecantile import Tile
from starlette.requests import Request
from starlette.responses import Response
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from tileserver.catalogue import Source
from tileserver.encoding import ImageFormat
from tileserver.errors import OutOfRange
from tileserver.grid import TILE_PX, WEB_MERCATOR
from tileserver.limits import LimitedRoute
from tileserver.ogc import add_tilesets
from tileserver.pages import add_map_page
from tileserver.parameters import Sizes
from tileserver.reader import CatalogueReader
from tileserver.renderer import Mode, Renderer, TileRequest
from tileserver.wmts import Wmts

MAX_INDEX = 2**31 - 1

Zoom = Annotated[int, Path(ge=0, le=30, description="Zoom.")]
Index = Annotated[int, Path(ge=0, le=MAX_INDEX, description="Tile column (x) or row (y).")]
GridId = Annotated[str, Path(max_length=64, description="Tile matrix set.")]
ModeParam = Annotated[Mode, Query(description="How zooms past native are made.")]
TileSize = Annotated[int, Query(description=f"Side of a tile; {TILE_PX} only.")]


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

    def tile(self) -> None:
        """Register the tile routes: by tile matrix set, and plain XYZ."""
        images = {
            200: {"content": {f.media_type: {} for f in ImageFormat}, "description": "A tile."}
        }
        options: dict[str, Any] = {"response_class": Response, "responses": images}

        @self.router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}", **options)
        @self.router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}", **options)
        async def tile(
            request: Request,
            source: str,
            tileMatrixSetId: GridId,
            z: Zoom,
            x: Index,
            y: Index,
            format: ImageFormat = ImageFormat.png,
            mode: ModeParam = Mode.super_resolved,
            tilesize: TileSize = TILE_PX,
        ) -> Response:
            """A tile, past the native zoom super-resolved."""
            return await self.answer(
                request, source, tileMatrixSetId, Tile(x, y, z), format, mode, tilesize
            )

        @self.router.get("/{z}/{x}/{y}.{format}", **options)
        async def xyz_tile(
            request: Request,
            source: str,
            z: Zoom,
            x: Index,
            y: Index,
            format: ImageFormat,
            mode: ModeParam = Mode.super_resolved,
            tilesize: TileSize = TILE_PX,
        ) -> Response:
            """A tile of the web mercator grid, past the native zoom super-resolved."""
            return await self.answer(
                request, source, WEB_MERCATOR, Tile(x, y, z), format, mode, tilesize
            )

    async def answer(
        self,
        request: Request,
        source: str,
        grid: str,
        tile: Tile,
        format: ImageFormat,
        mode: Mode,
        tilesize: int,
    ) -> Response:
        """The tile, or 304 before any work where the client has it."""
        if tilesize != TILE_PX:
            raise OutOfRange
        wanted = self.renderer.request(source, grid, tile, format, mode)
        key = self.renderer.key(wanted)
        headers = self._headers(wanted, key.etag)
        if _matches(request.headers.get("if-none-match"), key.etag):
            return Response(status_code=304, headers=headers)
        rendered = await self.renderer.render(wanted, key.digest)
        timing = [f"{stage};dur={spent:.1f}" for stage, spent in rendered.milliseconds.items()]
        timing.insert(0, f'cache;desc="{rendered.tier or "miss"}"')
        headers["Server-Timing"] = ", ".join(timing)
        return Response(rendered.content, media_type=format.media_type, headers=headers)

    def _headers(self, request: TileRequest, etag: str) -> dict[str, str]:
        """What the pixels are, and how long they may be kept."""
        headers = {
            "ETag": etag,
            "Cache-Control": f"public, max-age={self.max_age_seconds}",
            "X-Overzoom": request.origin,
        }
        if request.origin == Mode.super_resolved:
            catalogue = self.renderer.catalogue
            headers["X-Overzoom-Scale"] = str(2 ** (request.tile.z - request.layer.native_zoom))
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
        """Register a map page that loads nothing from elsewhere."""
        add_map_page(self.router, self.path_dependency)

    def tilejson(self) -> None:
        """Register TileJSON, whose maxzoom is the served one."""

        @self.router.get("/{tileMatrixSetId}/tilejson.json")
        def tilejson(
            request: Request,
            tileMatrixSetId: GridId,
            tile_format: ImageFormat = ImageFormat.png,
            mode: ModeParam = Mode.super_resolved,
            source: Source = Depends(self.path_dependency),
        ) -> dict[str, Any]:
            """TileJSON 3.0; its member "overzoom" says what is native and what is made."""
            route = {"z": "{z}", "x": "{x}", "y": "{y}", "format": str(tile_format)}
            url = self.url_for(request, "tile", tileMatrixSetId=tileMatrixSetId, **route)
            return tilejson_document(self.renderer, source, tileMatrixSetId, url, mode)

        @self.router.get("/tilejson.json")
        def xyz_tilejson(
            request: Request,
            tile_format: ImageFormat = ImageFormat.png,
            mode: ModeParam = Mode.super_resolved,
            source: Source = Depends(self.path_dependency),
        ) -> dict[str, Any]:
            """The TileJSON of the web mercator grid."""
            route = {"z": "{z}", "x": "{x}", "y": "{y}", "format": str(tile_format)}
            url = self.url_for(request, "xyz_tile", **route)
            return tilejson_document(self.renderer, source, WEB_MERCATOR, url, mode)


def tilejson_document(
    renderer: Renderer, source: Source, grid_id: str, url: str, mode: Mode
) -> dict[str, Any]:
    """The TileJSON of a source on a grid, for tiles of a URL template."""
    layer, catalogue = source.layer(grid_id), renderer.catalogue
    if mode is not Mode.super_resolved:
        url += f"?mode={mode}"
    with CatalogueReader.of(source, layer.grid) as reader:
        west, south, east, north = reader.get_geographic_bounds(
            layer.grid.tms.rasterio_geographic_crs
        )
        minzoom = min(reader.minzoom, layer.native_zoom)
    document: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": source.id,
        "scheme": "xyz",
        "tiles": [url],
        "minzoom": minzoom,
        "maxzoom": layer.max_zoom,
        "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2, layer.native_zoom],
        "overzoom": {
            "native_maxzoom": layer.native_zoom,
            "checkpoint": catalogue.checkpoint.name,
            "checkpoint_fingerprint": catalogue.checkpoint.fingerprint,
            "steps": catalogue.settings.steps,
            "noise_seed": catalogue.settings.noise_seed,
            "reference": source.settings.reference,
        },
    }
    if source.settings.attribution:
        document["attribution"] = source.settings.attribution
    return document


def _matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names the tag; weak comparison, as RFC 9110 asks."""
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag in tags
