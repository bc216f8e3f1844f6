"""WMS 1.3.0 and 1.1.1: what desktop GIS and older viewers ask for.

GET /wms             all sources that the client may see, a layer each
GET /{source}/wms    one source

GetCapabilities and GetMap; a layer shows nothing beside its source. Unknown parameters are left
alone, as the standard has it; those of tiles' rendering are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.maps.answers import MapAnswers
from tileserver.api.maps.wms_capabilities import DEFAULT, styles_of, write_capabilities
from tileserver.api.maps.wms_question import NEW, Question
from tileserver.api.tile_parameters import PictureOptions
from tileserver.api.written_parameters import document_parameters
from tileserver.catalogue.layers import Source
from tileserver.errors import KeyNeeded, OutOfRange, OutsideGrid, OutsideSource, UnknownSource
from tileserver.middleware.api_keys import ANY, Grant, grant_of, with_key
from tileserver.tiles.maps.request import AskedMap
from tileserver.tiles.request import TileOptions

OPERATIONS = "GetCapabilities or GetMap"
DOCUMENTED = document_parameters(
    SERVICE="WMS.",
    VERSION="1.3.0 or 1.1.1.",
    REQUEST=f"{OPERATIONS}.",
    LAYERS="The id of a source.",
    STYLES="A style of the capabilities; may be empty.",
    CRS="A code such as EPSG:3857; SRS in 1.1.1.",
    BBOX="Four numbers in the order of the system's axes; in 1.1.1 x is always first.",
    WIDTH="In pixels.",
    HEIGHT="In pixels.",
    FORMAT="A media type.",
    TRANSPARENT="TRUE or FALSE, where there is no data; default: FALSE.",
    BGCOLOR="The colour there, 0xRRGGBB; default: white.",
    EXCEPTIONS="XML, INIMAGE or BLANK.",
)
MEDIA_TYPES = {NEW: "text/xml"}
OLD_MEDIA_TYPE = "application/vnd.ogc.wms_xml"


def add_source_wms(
    router: APIRouter, answers: MapAnswers, path_dependency: Callable[..., Any]
) -> None:
    """Register the service of one source."""

    @router.get("/wms", response_class=Response, openapi_extra=DOCUMENTED)
    async def source_wms(
        request: Request,
        options: PictureOptions,
        source: Source = Depends(path_dependency),
    ) -> Response:
        """WMS 1.3.0 and 1.1.1 of one source."""
        service = _Service(
            answers=answers,
            question=Question(request, answers.max_side_px),
            options=options,
            find=lambda name: source if name in ("", source.id) else None,
            sources=lambda: [source],
            title=source.title,
            path=f"{source.id}/wms",
            licence=source.settings.licence,
        )
        return await service.answer()


def add_wms(
    router: APIRouter, answers: MapAnswers, seen: Callable[[Request], list[Source]]
) -> None:
    """Register the service of all sources; seen: those that a client may see."""
    catalogue = answers.maps.tiles.catalogue

    @router.get("/wms", response_class=Response, openapi_extra=DOCUMENTED)
    async def wms(
        request: Request,
        options: PictureOptions,
    ) -> Response:
        """WMS 1.3.0 and 1.1.1 of all sources that the client may see."""
        grant = grant_of(request.scope)

        def find(id: str) -> Source:
            _check_granted(grant, id)
            return catalogue[id]

        service = _Service(
            answers=answers,
            question=Question(request, answers.max_side_px),
            options=options,
            find=find,
            sources=partial(seen, request),
            title="Overzoom",
            path="wms",
        )
        answer = await service.answer()
        if grant.name or not grant.allows(ANY):  # keys are configured: others see others
            control = answer.headers.get("Cache-Control", "private")
            answer.headers["Cache-Control"] = control.replace("public", "private")
            answer.headers.add_vary_header("Authorization")
            answer.headers.add_vary_header("X-API-Key")
        return answer


def _check_granted(grant: Grant, id: str) -> None:
    if not grant.allows(id):
        raise UnknownSource if grant.name else KeyNeeded


@dataclass(frozen=True, kw_only=True)
class _Service:
    """One request to the service of some sources."""

    answers: MapAnswers
    question: Question
    options: TileOptions
    find: Callable[[str], Source | None]
    """The source of a layer's name, None where there is none."""
    sources: Callable[[], list[Source]]
    title: str
    path: str
    licence: str | None = None

    async def answer(self) -> Response:
        question = self.question
        if question.given.get("service", "WMS").upper() != "WMS":
            raise OutOfRange("service", "WMS")
        if question.operation in ("getcapabilities", "capabilities"):
            return await run_in_threadpool(self._answer_capabilities)
        if question.operation in ("getmap", "map"):
            return await self._answer_map()
        raise OutOfRange("request", OPERATIONS)

    def _answer_capabilities(self) -> Response:
        """In a thread: projections are computed."""
        request, version = self.question.request, self.question.version
        address = with_key(f"{request.base_url}{self.path}", request)
        content = write_capabilities(
            self.sources(),
            version,
            title=self.title,
            home=str(request.base_url),
            address=f"{address}{'&' if '?' in address else '?'}",
            max_side_px=self.answers.max_side_px,
            licence=self.licence,
        )
        headers = {"Cache-Control": "no-cache"}
        return Response(content, 200, headers, MEDIA_TYPES.get(version, OLD_MEDIA_TYPE))

    async def _answer_map(self) -> Response:
        question = self.question
        source = self._find_layer()
        options = replace(self._apply_style(source), format=question.format)
        asked = AskedMap(
            source_id=source.id,
            area=question.area,
            options=options,
            background=question.background,
        )
        try:
            return await self.answers.answer(question.request, asked)
        except (OutsideSource, OutsideGrid):
            return await self.answers.answer_nothing(asked)

    def _find_layer(self) -> Source:
        names = self.question.given.get("layers", "").split(",")
        source = self.find(names[0]) if len(names) == 1 else None
        if source is None:
            raise OutOfRange("layers", "one of the capabilities' layers")
        return source

    def _apply_style(self, source: Source) -> TileOptions:
        name = self.question.given.get("styles") or DEFAULT.name
        styles = {style.name: style for style in styles_of(source)}
        if name not in styles:
            raise OutOfRange("styles", f"one of {', '.join(styles)}")
        style, options = styles[name], self.options
        return replace(
            options,
            mode=options.mode if style.mode is None else style.mode,
            detail=options.detail if style.detail is None else style.detail,
        )
