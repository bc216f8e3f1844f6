"""The zooms past native: drawn two at a time, each pair from the zoom above it.

native           the 2x2 means of the source as read on the next zoom's grid: both agree
native + 1, + 2  one pair; condition: the source read on the grid of native + 1
native + 3, + 4  the next; condition: the cubic doubling of the picture at native + 2
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.imagery import BlockMemo, Imagery, Picture
from engine.network.checkpoint import Checkpoint
from engine.network.pair import UNIT, Limits
from engine.pictures.blocks import BlockedImagery
from engine.pictures.deviation import CalibratedDeviation, PredictedDeviation
from engine.pictures.super_resolution import Doubled, Halved, SuperResolved
from engine.sampling.settings import SamplerSettings

Made = TypeVar("Made", bound=Imagery)

BLOCK_PX = 256
"""Pictures that deeper zooms are drawn from are cached by blocks of the size of a tile."""


class Pyramid:
    """All pictures of one source, native and deeper, by zoom."""

    def __init__(
        self,
        source: Imagery,
        channels: int,
        native_zoom: int,
        max_zoom: int,
        checkpoint: Checkpoint,
        settings: SamplerSettings,
        memo: Callable[[str], BlockMemo],
        device: str = "cpu",
        *,
        canonical: bool = False,
        block_px: int = BLOCK_PX,
        limits: Limits = UNIT,
    ) -> None:
        """source is read on the grid of native_zoom + 1; memo supplies a bounded memo by name.

        limits: the range of values of the source, and so of every picture.
        canonical: draw whole blocks only, if results depend on the window (engine.pictures.probe).
        """
        if max_zoom < native_zoom:
            raise ValueError(f"max_zoom must be at least native_zoom {native_zoom}, not {max_zoom}")
        self.native_zoom, self.max_zoom = native_zoom, max_zoom
        self.settings, self.checkpoint = settings, checkpoint
        self._pictures: dict[int, Picture] = {native_zoom: Halved(source, limits)}
        self._interpolated: dict[int, Imagery] = {native_zoom: self._pictures[native_zoom]}
        self._deviations: dict[int, Imagery] = {}
        self._uncertainty: dict[int, Picture] = {}
        condition, above = source, None
        for zoom in range(native_zoom + 1, max_zoom + 1):
            depth = 1 + (zoom - native_zoom - 1) % 2
            if depth == 1 and zoom > native_zoom + 1:
                condition = Doubled(self._pictures[zoom - 1])
                above = self._deviations.get(zoom - 1)
            first = zoom - depth + 1
            picture = SuperResolved(
                condition,
                channels,
                checkpoint,
                settings,
                first,
                device,
                depth=depth,
                limits=limits,
            )
            blocks = memo(f"zoom {zoom}")
            self._pictures[zoom] = BlockedImagery(picture, block_px, blocks, canonical=canonical)
            parent = self._interpolated[zoom - 1]
            self._interpolated[zoom] = source if zoom == native_zoom + 1 else Doubled(parent)
            if checkpoint.denoiser.local:
                predicted = PredictedDeviation(
                    condition, channels, checkpoint, device, depth=depth, above=above
                )
                blocks = memo(f"deviation, zoom {zoom}")
                deviation = BlockedImagery(predicted, block_px, blocks, canonical=canonical)
                calibration = checkpoint.calibration(zoom - native_zoom)
                self._deviations[zoom] = deviation
                self._uncertainty[zoom] = CalibratedDeviation(deviation, calibration)

    def picture(self, zoom: int) -> Picture:
        """The super-resolved picture of a zoom; at the native zoom, the data."""
        return self._at(self._pictures, zoom)

    def interpolated(self, zoom: int) -> Imagery:
        """The cubic interpolation of a zoom, with the same 2x2 means as the data."""
        return self._at(self._interpolated, zoom)

    def uncertainty(self, zoom: int) -> Picture:
        """The standard deviation of the error of a zoom past native, calibrated.

        Raises ValueError for other zooms, and with a denoiser that predicts none.
        """
        return self._at(self._uncertainty, zoom)

    def _at(self, pictures: dict[int, Made], zoom: int) -> Made:
        if zoom not in pictures:
            raise ValueError(f"zoom {zoom} is outside {self.native_zoom} to {self.max_zoom}")
        return pictures[zoom]
