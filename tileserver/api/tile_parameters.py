"""The parameters of tiles and of their documents, and the TileOptions that they ask for.

All are coroutines: FastAPI runs plain functions in a thread pool, which costs as much as the rest
of a cache hit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Depends, Path, Query
from morecantile import Tile
from pydantic import Field

from tileserver.api.rendering_parameters import RenderingParameters
from tileserver.errors import OutOfRange
from tileserver.grid import TILE_PX
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.request import Mode, TileOptions

MAX_ZOOM = 30
MAX_INDEX = 2**31 - 1

Zoom = Annotated[int, Path(ge=0, le=MAX_ZOOM, description="Zoom.")]
Index = Annotated[int, Path(ge=0, le=MAX_INDEX, description="Tile column (x) or row (y).")]
GridId = Annotated[str, Path(max_length=64, description="Tile matrix set.")]
Scale = Annotated[int, Field(ge=1, le=2, description="1: 256 px; 2: 512 px.")]
TileSize = Annotated[int | None, Query(description=f"Side of a tile: {TILE_PX} or {2 * TILE_PX}.")]
ModeParam = Annotated[
    Literal[Mode.super_resolved, Mode.interpolated],
    Query(description="How zooms past native are made."),
]
NoiseSeed = Annotated[
    int | None, Query(description="Which sample of the detail; one of the TileJSON's noise_seeds.")
]
Detail = Annotated[
    float | None,
    Query(
        description="How much synthesised texture: 0 for the best estimate alone, or the "
        "TileJSON's overzoom.detail."
    ),
]


async def tile_address(z: Zoom, x: Index, y: Index) -> Tile:
    """Which tile a path names."""
    return Tile(x, y, z)


async def picture_options(
    *,
    rendering: RenderingParameters,
    mode: ModeParam = Mode.super_resolved,
    noise_seed: NoiseSeed = None,
    detail: Detail = None,
) -> TileOptions:
    """What is shown of a source, whatever its tiles' format and size; raises OutOfRange."""
    return TileOptions(mode=mode, rendering=rendering, noise_seed=noise_seed, detail=detail)


PictureOptions = Annotated[TileOptions, Depends(picture_options)]


async def tile_options(
    picture: PictureOptions,
    format: ImageFormat = ImageFormat.png,
    scale: Scale = 1,
    tilesize: TileSize = None,
) -> TileOptions:
    """How a tile is asked for; raises OutOfRange.

    format and scale are parts of the path where the route has them, else of the query.
    """
    return replace(picture, format=format, scale=resolve_scale(scale, tilesize))


async def uncertainty_options(
    rendering: RenderingParameters,
    format: ImageFormat,
    scale: Scale = 1,
    tilesize: TileSize = None,
) -> TileOptions:
    """How a tile of the uncertainty is asked for; raises OutOfRange."""
    scale = resolve_scale(scale, tilesize)
    return TileOptions(format=format, mode=Mode.uncertainty, scale=scale, rendering=rendering)


async def document_options(
    picture: PictureOptions,
    tile_format: ImageFormat = ImageFormat.png,
    tilesize: TileSize = None,
    tileSize: TileSize = None,
) -> TileOptions:
    """How the tiles of a document are asked for; raises OutOfRange."""
    scale = resolve_scale(1, _one_size(tilesize, tileSize))
    return replace(picture, format=tile_format, scale=scale)


async def style_options(
    picture: PictureOptions,
    tile_format: ImageFormat = ImageFormat.webp,
    tilesize: TileSize = None,
    tileSize: TileSize = None,
) -> TileOptions:
    """How the tiles of a style are asked for: as those of other documents, but smaller."""
    return await document_options(picture, tile_format, tilesize, tileSize)


async def uncertainty_document_options(
    rendering: RenderingParameters,
    tile_format: ImageFormat = ImageFormat.png,
    tilesize: TileSize = None,
    tileSize: TileSize = None,
) -> TileOptions:
    """How the tiles of an uncertainty's document are asked for; raises OutOfRange."""
    scale = resolve_scale(1, _one_size(tilesize, tileSize))
    return TileOptions(format=tile_format, mode=Mode.uncertainty, scale=scale, rendering=rendering)


Address = Annotated[Tile, Depends(tile_address)]
Options = Annotated[TileOptions, Depends(tile_options)]
UncertaintyOptions = Annotated[TileOptions, Depends(uncertainty_options)]
DocumentOptions = Annotated[TileOptions, Depends(document_options)]
StyleOptions = Annotated[TileOptions, Depends(style_options)]
UncertaintyDocumentOptions = Annotated[TileOptions, Depends(uncertainty_document_options)]


def resolve_scale(scale: int, tilesize: int | None) -> int:
    """1 or 2, from @2x or from tilesize, which must not contradict each other."""
    if tilesize is None:
        return scale
    if tilesize not in (TILE_PX, 2 * TILE_PX) or scale not in (1, tilesize // TILE_PX):
        raise OutOfRange("tilesize", f"{TILE_PX}, or {2 * TILE_PX}, which @2x stands for")
    return tilesize // TILE_PX


def _one_size(tilesize: int | None, tileSize: int | None) -> int | None:
    """A size by either of its names."""
    if None not in (tilesize, tileSize) and tilesize != tileSize:
        raise OutOfRange("tileSize", "the same as tilesize, or left out")
    return tilesize if tileSize is None else tileSize
