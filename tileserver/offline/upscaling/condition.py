"""A scene's picture and alpha as unbounded imagery for the engine."""

from __future__ import annotations

import numpy as np
import torch

from engine.imagery import Imagery, Pixels
from engine.network.doubling import REACH_PX, doubled
from engine.window import Window
from tileserver.imagery.bands import MARGIN_PX
from tileserver.imagery.filling import fill_by_mirroring
from tileserver.imagery.units import to_engine_unit
from tileserver.offline.upscaling.scene import Scene, Validity


class Condition:
    """Blocks of a scene's picture, scaled to [0, 1] and filled where there is no data.

    If some bands of a pixel have data, a nodata value within the range in the others is used as
    it is: it may be a dark colour.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def read(self, block: Window) -> Pixels:
        """(C, H, W); all is zero far outside the extent. Raises StartupError as Scene.read does."""
        if block.intersection(self.scene.extent.dilated(MARGIN_PX)) is None:
            channels = len(self.scene.raster.indexes)
            return np.zeros((channels, block.height, block.width), np.float32)
        if block.intersection(self.scene.extent) == block:
            values, known = self._read_stored(block)
            if known.all():
                return values
        outer = block.dilated(MARGIN_PX)
        values, known = self._read_stored(outer)
        return np.ascontiguousarray(_fill(values, known, outer.slices(block)))

    def _read_stored(self, window: Window) -> tuple[Pixels, Validity]:
        shape = len(self.scene.raster.indexes), window.height, window.width
        values, known = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
        part = window.intersection(self.scene.extent)
        if part is not None:
            read, valid = self.scene.read(part)
            pixels = to_engine_unit(read, self.scene.raster)
            valid |= valid.any(axis=0) & (pixels >= 0) & (pixels <= 1)
            rows, cols = window.slices(part)
            values[:, rows, cols], known[:, rows, cols] = np.where(valid, pixels, 0), valid
        return values, known


def _fill(values: Pixels, known: Validity, part: tuple[slice, slice]) -> Pixels:
    if (known == known[:1]).all():
        return fill_by_mirroring(values, known[0], part)
    bands = zip(values, known, strict=True)
    return np.concatenate([fill_by_mirroring(band[None], where, part) for band, where in bands])


class Alpha:
    """A scene's unchanged alpha bands; border pixels are repeated outside."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def read(self, window: Window) -> Pixels:
        extent = self.scene.extent
        rows = np.arange(window.row, window.bottom).clip(0, extent.height - 1)
        cols = np.arange(window.col, window.right).clip(0, extent.width - 1)
        top, left = int(rows[0]), int(cols[0])
        part = Window(top, left, int(rows[-1]) + 1 - top, int(cols[-1]) + 1 - left)
        alpha: Pixels = self.scene.read_alpha(part).astype(np.float32)
        return alpha[:, (rows - top)[:, None], cols - left]


class FinerAlpha:
    """The cubic doubling of an alpha, bounded by the pixels around each parent.

    Hard edges stay in place, soft ones stay smooth, every 2x2 mean is the parent, and whole numbers
    above 0 stay above 0, so that no data vanishes.
    """

    def __init__(self, parent: Imagery) -> None:
        self.parent = parent

    def read(self, window: Window) -> Pixels:
        outer = window.parent()
        pixels = self.parent.read(outer.dilated(REACH_PX))
        inner = pixels[:, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
        around = [
            pixels[:, 1 + row : 1 + row + outer.height, 1 + col : 1 + col + outer.width]
            for row in range(3)
            for col in range(3)
        ]
        low, high = np.minimum.reduce(around), np.maximum.reduce(around)
        low = np.maximum(low, np.minimum(inner, 1))
        rows, cols = outer.children().slices(window)
        return _limit_contrast(doubled(torch.from_numpy(pixels)).numpy(), inner, low, high)[
            :, rows, cols
        ]


def _limit_contrast(image: Pixels, mean: Pixels, low: Pixels, high: Pixels) -> Pixels:
    """Shrinks the contrast of every 2x2 block until its pixels lie in [low, high] like its mean."""
    channels, height, width = mean.shape
    blocks = image.reshape(channels, height, 2, width, 2)
    contrast = blocks - mean[:, :, None, :, None]
    highest, lowest = contrast.max(axis=(2, 4)), contrast.min(axis=(2, 4))
    factor = np.ones_like(mean)
    np.divide(high - mean, highest, out=factor, where=highest > high - mean)
    lower = np.ones_like(mean)
    np.divide(low - mean, lowest, out=lower, where=lowest < low - mean)
    factor = np.minimum(factor, lower)[:, :, None, :, None]
    bounded: Pixels = (mean[:, :, None, :, None] + contrast * factor).reshape(image.shape)
    return bounded
