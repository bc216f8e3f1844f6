"""The parameters that the routes of tiles and of their documents share."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Path, Query
from pydantic import Field

from tileserver.errors import OutOfRange
from tileserver.grid import TILE_PX
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.rendering import Rendering, rendering_parameters
from tileserver.tiles.request import Mode

MAX_INDEX = 2**31 - 1

Zoom = Annotated[int, Path(ge=0, le=30, description="Zoom.")]
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
Shown = Annotated[Rendering, Depends(rendering_parameters)]


class Asked(NamedTuple):
    """What tiles a document is about."""

    rendering: Rendering
    format: ImageFormat = ImageFormat.png
    scale: int = 1
    mode: Mode = Mode.super_resolved
    noise_seed: int | None = None
    detail: float | None = None


async def asked_parameters(
    rendering: Shown,
    tile_format: ImageFormat = ImageFormat.png,
    tilesize: TileSize = None,
    mode: ModeParam = Mode.super_resolved,
    noise_seed: NoiseSeed = None,
    detail: Detail = None,
) -> Asked:
    """The tiles that a query of a document asks for; raises OutOfRange."""
    return Asked(rendering, tile_format, scale_of(1, tilesize), mode, noise_seed, detail)


def scale_of(scale: int, tilesize: int | None) -> int:
    """1 or 2, from @2x or from tilesize, which must not contradict each other."""
    if tilesize is None:
        return scale
    if tilesize not in (TILE_PX, 2 * TILE_PX) or scale not in (1, tilesize // TILE_PX):
        raise OutOfRange("tilesize", f"{TILE_PX}, or {2 * TILE_PX}, which @2x stands for")
    return tilesize // TILE_PX
