"""From a tile that is asked for to its answer: 304, the tile, its stand-in, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from cache import TileKey
from tileserver.api.etag import matches_etag
from tileserver.api.fallback import FALLBACK_HEADERS, draw_in_time
from tileserver.catalogue.catalogue import Catalogue
from tileserver.errors import SourceChanged, SourceUnavailable
from tileserver.middleware.client_limits import slot_of
from tileserver.middleware.disconnect import run_until_disconnect
from tileserver.middleware.request_log import note_pixels
from tileserver.rasters.ground import round_size, times
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import AskedTile, TileRequest, resolve_request
from tileserver.tiles.service import EncodedTile, TileService
from tileserver.tiles.versions import version

IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Answers:
    """Answers requests for tiles of any kind."""

    service: TileService
    max_age_seconds: int = 3600

    async def answer(self, request: Request, asked: AskedTile) -> Response:
        """The tile, or 304 before any work where the client has it.

        Raises the RequestError that says why there is none.
        """
        wanted = resolve_request(self.service.catalogue, asked)
        try:
            return await self._answer(request, wanted)
        except SourceUnavailable as error:
            wanted = await wait_for_replacement(request, self.service, wanted, error)
            return await self._answer(request, wanted)

    @property
    def deadline_seconds(self) -> float:
        """How long a request may take, from its arrival."""
        return self.service.catalogue.settings.deadline_seconds

    async def _answer(self, request: Request, wanted: TileRequest) -> Response:
        key = tile_key(self.service.catalogue, wanted)
        headers = self._headers(request, wanted, key.etag)
        if matches_etag(request.headers.get("if-none-match"), key.etag):
            note_pixels(request, wanted.origin)
            return Response(status_code=304, headers=headers)
        found = self.service.get_fast(key) or await draw_in_time(
            self.service, wanted, partial(self._render, request, wanted, key)
        )
        if found is None:
            return await self._fall_back(request, wanted)
        self.service.metrics.count_lookup(found.tier)
        note_pixels(request, wanted.origin, found.tier)
        return _make_response(wanted, found, headers)

    async def _render(
        self, request: Request, wanted: TileRequest, key: TileKey, seconds: float
    ) -> EncodedTile:

        async def in_turn() -> EncodedTile:
            async with slot_of(request.scope):
                return await self.service.render(wanted, key)

        return await run_until_disconnect(request, in_turn(), seconds)

    async def _fall_back(self, request: Request, wanted: TileRequest) -> Response:
        """The interpolated tile in place of one that could not be drawn in time; not to be kept."""
        plain = wanted.interpolate()
        key = tile_key(self.service.catalogue, plain)
        found = await self._render(request, plain, key, self.deadline_seconds)
        note_pixels(request, "fallback", found.tier)
        headers = {**FALLBACK_HEADERS, "X-Overzoom": plain.origin}
        return _make_response(plain, found, headers)

    def _headers(self, request: Request, wanted: TileRequest, etag: str) -> dict[str, str]:
        """What the pixels are, and how long they may be kept."""
        headers = {
            "ETag": etag,
            "Cache-Control": f"public, max-age={self.max_age_seconds}",
            **describe_pixels(self.service.catalogue, wanted),
        }
        catalogue, asked = self.service.catalogue, request.query_params.get("v")
        if asked is not None and asked == version(catalogue, wanted.source, wanted.layer_sample):
            headers["Cache-Control"] = IMMUTABLE
        return headers


def describe_pixels(catalogue: Catalogue, wanted: TileRequest) -> dict[str, str]:
    """Headers that say what a tile's pixels are, and how large on the ground."""
    ground, zoom = wanted.layer.ground, wanted.pixel_zoom
    headers = {
        "X-Overzoom": wanted.origin,
        "X-Overzoom-Imagery-Metres": f"{round_size(ground.imagery_metres):g}",
        "X-Overzoom-Pixel-Metres": f"{round_size(ground.pixel_metres(zoom)):g}",
    }
    if wanted.sample is not None:
        headers["X-Overzoom-Scale"] = times(ground.ratio(zoom))
        checkpoint = catalogue.checkpoint
        headers["X-Overzoom-Checkpoint"] = f"{_quote(checkpoint.name)}/{checkpoint.fingerprint}"
        headers["X-Overzoom-Steps"] = str(catalogue.settings.steps)
        headers["X-Overzoom-Detail"] = f"{wanted.sample.detail:g}"
        if wanted.sample.detail > 0:
            headers["X-Overzoom-Noise-Seed"] = str(wanted.sample.noise_seed)
    return headers


def _make_response(wanted: TileRequest, found: EncodedTile, headers: dict[str, str]) -> Response:
    timing = [f"{stage};dur={spent:.1f}" for stage, spent in found.milliseconds.items()]
    timing.insert(0, f'cache;desc="{found.tier or "miss"}"')
    headers["Server-Timing"] = ", ".join(timing)
    media_type = wanted.options.format.media_type
    return Response(found.content, media_type=media_type, headers=headers)


async def wait_for_replacement(
    request: Request, service: TileService, wanted: TileRequest, error: SourceUnavailable
) -> TileRequest:
    """The same tile of its source's next version, where the source was replaced meanwhile.

    Raises the error that the tile ended with where it was not.
    """
    catalogue = service.catalogue
    replaced = catalogue[wanted.source.id] is not wanted.source
    if not (replaced or isinstance(error, SourceChanged)):
        raise error
    next_version = service.wait_for_next_version(wanted)
    seconds = catalogue.settings.deadline_seconds
    return await run_until_disconnect(request, next_version, seconds, SourceUnavailable)


@lru_cache(8)
def _quote(name: str) -> str:
    """A name as headers hold it."""
    return quote(name)
