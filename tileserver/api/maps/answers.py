"""From a map that is asked for to its answer: 304, the map, its stand-in, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tileserver.api.etag import matches_etag
from tileserver.api.fallback import FALLBACK_HEADERS, draw_in_time
from tileserver.api.tile_response import describe_pixels, wait_for_replacement
from tileserver.errors import SourceUnavailable
from tileserver.middleware.disconnect import run_until_disconnect
from tileserver.middleware.request_log import note_pixels
from tileserver.rasters.ground import round_size
from tileserver.tiles.maps.area import Area
from tileserver.tiles.maps.request import AskedMap, MapRequest, resolve_map
from tileserver.tiles.maps.service import DrawnMap, MapService


@dataclass(frozen=True)
class MapAnswers:
    """Answers requests for maps."""

    maps: MapService
    max_age_seconds: int = 3600

    @property
    def max_side_px(self) -> int:
        """The longest side of a map."""
        return self.maps.tiles.catalogue.settings.map_side_px

    async def answer(self, request: Request, asked: AskedMap) -> Response:
        """The map, or 304 before any work where the client has it.

        Raises the RequestError that says why there is none.
        """
        tiles = self.maps.tiles
        wanted = resolve_map(tiles.catalogue, asked)
        try:
            return await self._answer(request, wanted)
        except SourceUnavailable as error:
            await wait_for_replacement(request, tiles, wanted.any_tile, error)
            return await self._answer(request, resolve_map(tiles.catalogue, asked))

    async def answer_nothing(self, asked: AskedMap) -> Response:
        """The map of an area without data."""
        format = asked.options.format
        drawn = await self.maps.draw_nothing(asked)
        headers = {**_describe_area(asked.area), "Cache-Control": self._cache_control}
        return _MapResponse(drawn, format.media_type, headers)

    @property
    def _cache_control(self) -> str:
        return f"public, max-age={self.max_age_seconds}"

    async def _answer(self, request: Request, wanted: MapRequest) -> Response:
        catalogue, origin = self.maps.tiles.catalogue, wanted.any_tile.origin
        etag = wanted.etag(catalogue)
        headers = {"ETag": etag, "Cache-Control": self._cache_control, **self._describe(wanted)}
        if matches_etag(request.headers.get("if-none-match"), etag):
            note_pixels(request, origin)
            return Response(status_code=304, headers=headers)
        drawn = await draw_in_time(
            self.maps.tiles, wanted.any_tile, partial(self._draw, request, wanted)
        )
        if drawn is None:
            return await self._fall_back(request, wanted)
        note_pixels(request, origin, drawn.tier)
        return _MapResponse(drawn, wanted.options.format.media_type, headers)

    async def _draw(self, request: Request, wanted: MapRequest, seconds: float) -> DrawnMap:
        return await run_until_disconnect(request, self.maps.draw(wanted), seconds)

    async def _fall_back(self, request: Request, wanted: MapRequest) -> Response:
        """The interpolated map in place of one that could not be drawn in time; not to be kept."""
        plain = wanted.interpolate()
        seconds = self.maps.tiles.catalogue.settings.deadline_seconds
        drawn = await self._draw(request, plain, seconds)
        note_pixels(request, "fallback", drawn.tier)
        headers = {**self._describe(plain), **FALLBACK_HEADERS}
        return _MapResponse(drawn, plain.options.format.media_type, headers)

    def _describe(self, wanted: MapRequest) -> dict[str, str]:
        """Headers that say what the map shows."""
        fit, ground = wanted.fit, wanted.layer.ground
        return {
            **describe_pixels(self.maps.tiles.catalogue, wanted.any_tile),
            **_describe_area(wanted.area),
            "X-Overzoom-Pixel-Metres": f"{round_size(ground.pixel_metres(fit.zoom) * fit.ratio):g}",
            "X-Overzoom-Zoom": str(fit.zoom),
        }


class _MapResponse(Response):
    """A map, which holds its share of the memory until its client has taken it."""

    def __init__(self, drawn: DrawnMap, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(drawn.content, media_type=media_type, headers=headers)
        self._drawn = drawn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._drawn.release()


def _describe_area(area: Area) -> dict[str, str]:
    """The headers of OGC API Maps."""
    box = ",".join(f"{number:.15g}" for number in area.system.order(area.bounds))
    return {"Content-Crs": f"<{area.system.uri}>", "Content-Bbox": box}
