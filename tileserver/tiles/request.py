"""What is asked for (AskedTile), and the tile that it turns out to be (TileRequest)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from morecantile import Tile

from engine.imagery import Imagery
from engine.pictures.samples import Sample
from engine.window import Window
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import NoUncertainty, OutOfRange, OutsideSource, OutsideZooms
from tileserver.grid import WEB_MERCATOR
from tileserver.tiles.deviation import complete_deviation_rendering
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.rendering import PLAIN, Rendering
from tileserver.tiles.rendering_checks import check_band_count, check_rendering

NEAREST = "nearest"


class Mode(StrEnum):
    """How zooms past native are made."""

    super_resolved = "super-resolved"
    interpolated = "interpolated"
    uncertainty = "uncertainty"
    """The standard deviation of the error; it has no other zooms, and its own routes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileOptions:
    """How tiles are asked for, wherever they lie: what a TileJSON and its tiles share."""

    format: ImageFormat = ImageFormat.png
    mode: Mode = Mode.super_resolved
    scale: int = 1
    """1 for 256 px; 2 for 512 px, drawn from the next zoom's pixels (@2x)."""
    rendering: Rendering = PLAIN
    noise_seed: int | None = None
    """Which sample is shown; None: the first."""
    detail: float | None = None
    """How much of its detail, 0 for none; None: as much as the source shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTile:
    """A tile as it is asked for, not checked: there may be no such source, grid, zoom or place."""

    source_id: str
    tile: Tile
    grid_id: str = WEB_MERCATOR
    options: TileOptions = TileOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRequest:
    """A tile that exists: its source, grid and zoom are known and it shows some ground."""

    source: Source
    layer: Layer
    tile: Tile
    options: TileOptions

    @property
    def asked(self) -> AskedTile:
        """What to ask for to get this tile of the source as it is by then."""
        return AskedTile(
            source_id=self.source.id,
            grid_id=self.layer.grid.id,
            tile=self.tile,
            options=self.options,
        )

    @property
    def pixel_zoom(self) -> int:
        """The zoom whose pixels the tile consists of."""
        return self.tile.z + self.options.scale - 1

    @property
    def window(self) -> Window:
        """The tile's pixels at pixel_zoom."""
        window, scale = self.layer.grid.tile_window(self.tile), self.options.scale
        return window if scale == 1 else window.children(scale)

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
        return str(self.options.mode) if self.layer.nearest is None else NEAREST

    @property
    def sample(self) -> Sample | None:
        """The sample that the tile is made of; None where nothing in it is synthesised."""
        synthesised = self.origin in (Mode.super_resolved, Mode.uncertainty)
        return self.layer_sample if synthesised else None

    @property
    def layer_sample(self) -> Sample | None:
        """The sample that the layer's tiles past native are made of with these options, if any."""
        if self.layer.nearest is not None:
            return None
        return self.layer.samples.sample(self.options.noise_seed, self.options.detail)

    @property
    def imagery(self) -> Imagery:
        """What the tile is a window of, at the native zoom and past it."""
        if self.sample is None:
            return self.layer.pyramid.interpolated(self.pixel_zoom)
        pyramid = self.layer.samples.pyramid(self.sample)
        if self.options.mode is Mode.uncertainty:
            return pyramid.uncertainty(self.pixel_zoom)
        return pyramid.picture(self.pixel_zoom)

    def is_unchanged(self) -> bool:
        """Whether the source's files that the tile is read from are still this version."""
        return self.source.is_unchanged(self.layer.find_members(self.pixel_zoom, self.window))

    def interpolate(self) -> TileRequest:
        """The same tile without synthesised detail."""
        return replace(self, options=replace(self.options, mode=Mode.interpolated))


def resolve_request(catalogue: Catalogue, asked: AskedTile) -> TileRequest:
    """The tile that is asked for; raises the RequestError that says why there is none."""
    source = catalogue[asked.source_id]
    layer = source.layer(asked.grid_id)
    options = check_options(source, layer, asked.options)
    tms, tile, scale = layer.grid.tms, asked.tile, options.scale
    least, deepest = tms.minzoom, layer.max_zoom - (scale - 1)
    if options.mode is Mode.uncertainty:
        least = layer.native_zoom + 1 - (scale - 1)
    if not least <= tile.z <= deepest:
        raise OutsideZooms("z", f"{least} to {deepest} for this source and size of tiles")
    matrix = tms.matrix(tile.z)
    if not (0 <= tile.x < matrix.matrixWidth and 0 <= tile.y < matrix.matrixHeight):
        raise OutsideSource
    if not layer.touches(tile):
        raise OutsideSource
    return TileRequest(source=source, layer=layer, tile=tile, options=options)


def check_options(source: Source, layer: Layer, options: TileOptions) -> TileOptions:
    """The options with their rendering completed; raises the RequestError of what cannot be."""
    _check_sample(layer, options)
    if options.mode is Mode.uncertainty:
        if not layer.uncertain:
            raise NoUncertainty
        rendering = complete_deviation_rendering(options.rendering, source.raster)
        return replace(options, rendering=rendering)
    if options.mode is Mode.interpolated and layer.nearest is not None:
        raise OutOfRange("mode", "not available, this source is resampled by nearest neighbour")
    check_rendering(options.rendering, source.raster)
    if not options.format.holds_values:
        check_band_count(options.rendering, source.raster)
    return options


def _check_sample(layer: Layer, options: TileOptions) -> None:
    samples = layer.samples
    try:
        samples.sample(options.noise_seed, options.detail)
    except ValueError as error:
        if options.noise_seed not in (None, *samples.noise_seeds):
            seeds = ", ".join(map(str, samples.noise_seeds))
            raise OutOfRange("noise_seed", f"one of {seeds}") from error
        raise OutOfRange("detail", f"0 or {samples.detail:g}") from error
