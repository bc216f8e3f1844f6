"""Draws blocks of a scene's super-resolved picture and of its uncertainty."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.key import fingerprint
from engine.imagery import Imagery
from engine.network.checkpoint import Checkpoint
from engine.pictures.blocks import BlockedImagery
from engine.pictures.pyramid import Pyramid
from engine.pictures.super_resolution import Doubled
from engine.window import Window
from tileserver.catalogue.probing import describe_machine, windows_agree
from tileserver.checkpoints import local_checkpoint
from tileserver.errors import StartupError
from tileserver.imagery.bands import BLOCK_PX as SOURCE_BLOCK_PX
from tileserver.imagery.block_memory import BlockMemory
from tileserver.imagery.units import to_raster_type
from tileserver.offline.upscaling.condition import Alpha, Condition, FinerAlpha
from tileserver.offline.upscaling.options import Upscaling
from tileserver.offline.upscaling.scene import Scene, Validity, Values
from tileserver.settings.cache import CacheSettings

BLOCK_PX = 1024
"""Side of a block: the halo adds a quarter of the work; at 256 px it would double it."""
MIN_BLOCK_PX = 256
MEMORY_BYTES = 256 * 2**20
"""For source blocks, and blocks of shallower zooms on devices that draw whole blocks only."""


class Drawing:
    """Draws windows of a scene enlarged by `factor`; `extent` is the part to write.

    Pickled, it is what it was opened from; where it is unpickled, it is opened again.
    """

    def __init__(self, scene: Scene, checkpoint: Checkpoint, work: Upscaling) -> None:
        self.scene, self.checkpoint, self.work = scene, checkpoint, work
        self.extent = scene.part.children(work.factor)
        side = max(self.extent.height, self.extent.width)
        self.block_px = min(BLOCK_PX, max(MIN_BLOCK_PX, 1 << (side - 1).bit_length()))
        folder = CacheSettings().disk_folder()
        self._canonical = not windows_agree(checkpoint, work.settings, work.device, folder)
        self._alpha: Imagery = Alpha(scene)
        for _ in range(work.zooms):
            self._alpha = FinerAlpha(self._alpha)
        self._pyramid = self._new_pyramid()

    def __reduce__(self) -> tuple[Callable[..., Drawing], tuple[Path, Upscaling, str]]:
        work, checkpoint = self.work, self.work.checkpoint
        if checkpoint is not None and checkpoint.exists():  # else the name of a bundled one
            work = replace(work, checkpoint=checkpoint.absolute())
        return _open_again, (self.scene.path.absolute(), work, self.fingerprint())

    def fingerprint(self) -> str:
        """A digest of everything that changes pixels."""
        return fingerprint(
            raster=self.scene.raster.fingerprint,
            range=self.scene.raster.range,
            checkpoint=self.checkpoint.fingerprint,
            sampler=self.work.settings,
            factor=self.work.factor,
            part=self.scene.part,
            block_px=self.block_px,
            canonical=self._canonical,
            machine=describe_machine(self.work.device),
        )

    def picture(self, window: Window) -> tuple[Values, NDArray[np.bool_]]:
        """The raster's own bands (B, H, W) of a window, and where any has data (H, W).

        A band without data at a pixel has the nodata value there, or without one the source's own
        value. A drawn value that equals the nodata value is moved to the next one.
        """
        scene, nodata = self.scene, self._nodata()
        raster = scene.raster
        repeated, valid = self._repeated(window)
        pixels = repeated if nodata is None else np.where(valid, repeated, nodata)
        if valid.any():  # windows without data are not drawn
            drawn = self._pyramid.picture(self.work.zooms).read(window)
            values = to_raster_type(drawn, raster)
            if nodata is not None:
                values = np.where(values == nodata, _beside(nodata, repeated), values)
            pixels = np.where(valid, values, pixels)
        bands = dict(zip(raster.indexes, pixels, strict=True))
        if scene.alpha_indexes:
            alpha = self._alpha.read(window)
            alpha = np.rint(alpha) if np.dtype(raster.dtype).kind in "ui" else alpha
            bands |= dict(zip(scene.alpha_indexes, alpha.astype(raster.dtype), strict=True))
        stacked = np.stack([bands[index] for index in sorted(bands)])
        return stacked, np.logical_or.reduce(valid)

    def deviation(self, window: Window) -> tuple[Values, NDArray[np.bool_]]:
        """The error's standard deviation (1, H, W), and where any band has data (H, W).

        It is the root mean square over the bands that have data, and 0 without data.
        """
        _, valid = self._repeated(window)
        root = np.zeros((1, window.height, window.width), np.float32)
        if valid.any():
            low, high = self.scene.raster.range
            deviation = self._pyramid.uncertainty(self.work.zooms).read(window) * (high - low)
            square = (deviation**2).sum(axis=0, where=valid) / valid.sum(axis=0).clip(1)
            root[0] = np.sqrt(square)
        return root, np.logical_or.reduce(valid)

    def _repeated(self, window: Window) -> tuple[Values, Validity]:
        """The source's values and validity (C, H, W), each pixel `factor` times an axis."""
        factor = self.work.factor
        outer = window.parent(factor)
        rows, cols = outer.children(factor).slices(window)
        values, valid = (
            pixels.repeat(factor, 1).repeat(factor, 2)[:, rows, cols]
            for pixels in self.scene.read(outer)
        )
        return values, valid

    def _nodata(self) -> Values | None:
        """The nodata value in the raster's type; None without one, or if it does not fit."""
        nodata, dtype = self.scene.description.nodata, np.dtype(self.scene.raster.dtype)
        if nodata is None or (dtype.kind in "ui" and not _fits(nodata, dtype)):
            return None
        return np.array(nodata, dtype)

    def _new_pyramid(self) -> Pyramid:
        memory = BlockMemory(MEMORY_BYTES)
        blocks = memory.section(("source",))
        source = BlockedImagery(Condition(self.scene), SOURCE_BLOCK_PX, blocks, canonical=True)
        return Pyramid(
            Doubled(source),
            len(self.scene.raster.indexes),
            0,
            self.work.zooms,
            self.checkpoint,
            self.work.settings,
            lambda name: memory.section((name,)),
            self.work.device,
            canonical=self._canonical,
            block_px=self.block_px,
            limits=self.scene.raster.limits,
        )


def _open_again(source: Path, work: Upscaling, fingerprint: str) -> Drawing:
    """The same drawing in another process; raises StartupError where it would draw other pixels."""
    scene = Scene(source, work.value_range, work.bbox)
    drawing = Drawing(scene, local_checkpoint(work.checkpoint, work.device), work)
    if drawing.fingerprint() != fingerprint:
        raise StartupError(
            f"{source}: {platform.node()} would draw other pixels than the machine that started "
            "the run: the processors, PyTorch's versions, the files or the checkpoints differ"
        )
    return drawing


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= value <= limits.max and value == int(value)


def _beside(nodata: Values, parents: Values) -> Values:
    """The values next to nodata, towards the parents' values.

    Where a parent has that value, too, a mask says that it is data: then nodata itself.
    """
    if nodata.dtype.kind == "f":
        return np.nextafter(nodata, parents)
    return np.where(parents > nodata, nodata + 1, np.where(parents < nodata, nodata - 1, nodata))
