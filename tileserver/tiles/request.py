"""A tile that can be asked for, and what its pixels are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from morecantile import Tile

from engine.imagery import Imagery
from engine.pictures.samples import Sample
from engine.window import Window
from tileserver.catalogue.layers import Layer, Source
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.rendering import PLAIN, Rendering

NEAREST = "nearest"


class Mode(StrEnum):
    """How zooms past native are made."""

    super_resolved = "super-resolved"
    interpolated = "interpolated"
    uncertainty = "uncertainty"
    """The standard deviation of the error; it has no other zooms, and its own routes."""


@dataclass(frozen=True, slots=True)
class TileRequest:
    """A tile that exists: its source, grid and zoom are known and it shows some ground."""

    source: Source
    layer: Layer
    tile: Tile
    format: ImageFormat
    mode: Mode = Mode.super_resolved
    scale: int = 1
    """1 for 256 px; 2 for 512 px, drawn from the next zoom's pixels (@2x)."""
    rendering: Rendering = PLAIN
    noise_seed: int | None = None
    """Which sample is shown; None: the first."""
    detail: float | None = None
    """How much of its detail, 0 for none; None: as much as the source shows."""

    @property
    def pixel_zoom(self) -> int:
        """The zoom whose pixels the tile consists of."""
        return self.tile.z + self.scale - 1

    @property
    def window(self) -> Window:
        """The tile's pixels at pixel_zoom."""
        window = self.layer.grid.tile_window(self.tile)
        return window if self.scale == 1 else window.children(self.scale)

    @property
    def windows(self) -> list[Window]:
        """Where the source's pictures show that ground: one place, seldom two."""
        return self.layer.windows(self.pixel_zoom, self.window)

    @property
    def origin(self) -> str:
        """What the tile's pixels are: native, super-resolved, interpolated, uncertainty, nearest.

        The last are native ones, repeated: of classes, which have nothing between them.
        """
        if self.pixel_zoom <= self.layer.native_zoom:
            return "native"
        return str(self.mode) if self.layer.nearest is None else NEAREST

    @property
    def sample(self) -> Sample | None:
        """The sample that the tile is made of; None where nothing in it is synthesised."""
        made = self.origin in (Mode.super_resolved, Mode.uncertainty)
        return self.sample_asked if made else None

    @property
    def sample_asked(self) -> Sample | None:
        """The sample that tiles of this kind are made of, at zooms past native, if of any."""
        if self.layer.nearest is not None:
            return None
        return self.layer.samples.sample(self.noise_seed, self.detail)

    @property
    def imagery(self) -> Imagery:
        """What the tile is a window of, at the native zoom and past it."""
        if self.sample is None:
            return self.layer.pyramid.interpolated(self.pixel_zoom)
        pyramid = self.layer.samples.pyramid(self.sample)
        if self.mode is Mode.uncertainty:
            return pyramid.uncertainty(self.pixel_zoom)
        return pyramid.picture(self.pixel_zoom)

    def unchanged(self) -> bool:
        """Whether the source's files that the tile is read from are still this version."""
        return self.source.unchanged(self.layer.find_members(self.pixel_zoom, self.window))

    def interpolated(self) -> TileRequest:
        """The same tile without made detail."""
        return replace(self, mode=Mode.interpolated)
