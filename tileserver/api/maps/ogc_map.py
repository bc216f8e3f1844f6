"""GET /{source}/map?bbox=&width=&height=: a map of any area, in the manner of OGC API Maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.maps.answers import MapAnswers
from tileserver.api.maps.parameters import (
    NAMES,
    WHITE,
    choose_accepted,
    parse_colour,
    parse_format,
)
from tileserver.api.tile_parameters import PictureOptions
from tileserver.catalogue.coverage import find_extent
from tileserver.catalogue.layers import Source
from tileserver.errors import OutOfRange
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.maps.area import Area, parse_box, project_box, size_of
from tileserver.tiles.maps.reference_systems import CRS84, MERCATOR, find_system
from tileserver.tiles.maps.request import AskedMap

Box = Annotated[
    str | None,
    Query(
        max_length=200,
        description="Four numbers in the order of bbox-crs's axes, of CRS84: west, south, east, "
        "north; west is greater than east across 180 degrees. Default: the whole source.",
    ),
]
BoxSystem = Annotated[
    str, Query(alias="bbox-crs", description="The reference system of bbox: a code or a URI.")
]
MapSystem = Annotated[str, Query(description="The reference system of the map.")]
Side = Annotated[
    int | None, Query(description="In pixels. Default: from bbox's proportions; of both, 1024.")
]
Form = Annotated[
    str | None,
    Query(description=f"{NAMES}, or such a media type. Default: what Accept wants most, else png."),
]
Background = Annotated[
    str | None, Query(description="Colour where there is no data: 0xRRGGBB or a name.")
]
Transparent = Annotated[
    bool | None, Query(description="Transparent where there is no data; default: without bgcolor.")
]
PICTURES = "of pictures; tif and npy hold values, and mark where there are none"


def add_map(router: APIRouter, answers: MapAnswers, path_dependency: Callable[..., Any]) -> None:
    """Register the route."""

    @router.get("/map", response_class=Response)
    async def map_image(
        *,
        request: Request,
        bbox: Box = None,
        bbox_crs: BoxSystem = CRS84,
        crs: MapSystem = MERCATOR,
        width: Side = None,
        height: Side = None,
        f: Form = None,
        format: Form = None,
        bgcolor: Background = None,
        transparent: Transparent = None,
        picture: PictureOptions,
        source: Source = Depends(path_dependency),
    ) -> Response:
        """A map of any area and size, past the native zoom super-resolved.

        Made from the tiles of the zoom that fits: the same pixels where the grids agree.
        """
        system, target = find_system(bbox_crs, "bbox-crs"), find_system(crs)
        given = find_extent(source) if bbox is None else parse_box(bbox, system, wraps=True)
        bounds = project_box(given, find_system(CRS84) if bbox is None else system, target)
        sides = size_of(bounds, height, width, answers.max_side_px)
        wanted = _choose_format(f, format) or choose_accepted(request.headers.get("accept", ""))
        options = replace(picture, format=wanted)
        background = parse_colour(bgcolor) if bgcolor is not None else None
        if transparent is not None:
            background = None if transparent else background or WHITE
        if background is not None and wanted.holds_values:
            raise OutOfRange("transparent" if bgcolor is None else "bgcolor", PICTURES)
        area = Area(target, bounds, *sides)
        asked = AskedMap(source_id=source.id, area=area, options=options, background=background)
        answer = await answers.answer(request, asked)
        if not (f or format):
            answer.headers.add_vary_header("Accept")
        return answer


def _choose_format(f: str | None, format: str | None) -> ImageFormat | None:
    if f is not None and format is not None and parse_format(f) != parse_format(format, "format"):
        raise OutOfRange("format", "the same as f, or left out")
    return parse_format(f or format or "", "f" if f else "format") if f or format else None
