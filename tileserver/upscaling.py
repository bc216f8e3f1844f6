"""`overzoom upscale`: a whole raster super-resolved on its own grid, in bounded memory.

    source -> strips of blocks (OUT.parts/, each written whole or not at all) -> OUT

A strip is a row of blocks. A run that was stopped goes on with the first strip that is missing;
a run with other settings begins anew. The pixels are those of the tile server's engine: zoom k of
a pyramid whose native zoom is the raster itself, so every 2x2 mean is the pixel above it.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from tqdm import tqdm

from cache.key import fingerprint
from engine.checkpoint import Checkpoint
from engine.pyramid import Pyramid
from engine.resolver import Doubled
from engine.sampler import SamplerSettings
from engine.schedule import Schedule
from engine.window import Window
from tileserver.checkpoints import local_checkpoint
from tileserver.errors import StartupError
from tileserver.mosaic import Mosaic, write_mosaic
from tileserver.probing import windows_agree
from tileserver.settings import CacheSettings
from tileserver.sources.memo import BlockMemory
from tileserver.sources.raster import Raster, inspect, open_raster, whole_range
from tileserver.sources.source import Bands, OwnGridSource, unscaled

BLOCK_PX = 1024
"""A block's halo costs a quarter of its work at this side; 256 px would double it."""
MIN_BLOCK_PX = 256
MEMORY_BYTES = 256 * 2**20
"""Source blocks, and blocks of the zooms above where a device draws whole blocks only."""
SCALED_TYPES = ("uint8", "uint16", "int16", "float32", "float64")
"""Types whose values survive the engine's float32."""
RECORD = "run.txt"
"""The file among the strips that says which run they are of."""
DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG"}


@dataclass(frozen=True, slots=True)
class Upscaling:
    """What is asked for."""

    factor: int
    settings: SamplerSettings
    checkpoint: Path | None = None
    """Default: the bundled one."""
    device: str = "cpu"
    value_range: tuple[float, float] | None = None

    @property
    def zooms(self) -> int:
        return self.factor.bit_length() - 1


def upscaling(options: dict[str, Any]) -> Upscaling:
    """What the command line asks for; sets the number of torch's threads."""
    if options["threads"] is not None:
        torch.set_num_threads(options["threads"])
    steps = {} if options["steps"] is None else {"steps": options["steps"]}
    detail = {} if options["detail"] is None else {"detail": options["detail"]}
    return Upscaling(
        int(options["factor"]),
        SamplerSettings(Schedule(**steps), noise_seed=options["noise_seed"], **detail),
        options["checkpoint"],
        options["device"],
        options["value_range"],
    )


def upscale(source: Path, out: Path, work: Upscaling, uncertainty: Path | None) -> None:
    """Write the super-resolved raster, and where wanted its uncertainty map.

    Values other than 8-bit ones are scaled by the least and greatest in the raster, or by the
    range that is given, beyond which they are clipped. Raises StartupError for what cannot be
    read, written or meant.
    """
    with warnings.catch_warnings():
        # Pictures may lie nowhere, and strips need not.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        raster = _inspected(source, work)
        targets = [_Target(out, len(raster.indexes), raster.dtype)]
        if uncertainty is not None:
            targets.append(_Target(uncertainty, 1, "float32", deviation=True))
        _check(source, targets)
        drawing = _Drawing(raster, local_checkpoint(work.checkpoint, work.device), work)
        for target in targets:
            try:
                _write(drawing, target)
            except (CPLE_BaseError, RasterioError, OSError) as error:
                raise StartupError(f"{target.path}: cannot be written ({error})") from error
        for target in targets:
            shutil.rmtree(target.parts)


@dataclass(frozen=True, slots=True)
class _Target:
    """A file to write."""

    path: Path
    count: int
    dtype: str
    deviation: bool = False

    @property
    def driver(self) -> str | None:
        return DRIVERS.get(self.path.suffix.lower())

    @property
    def parts(self) -> Path:
        return self.path.with_name(self.path.name + ".parts")


def _inspected(source: Path, work: Upscaling) -> Raster:
    raster = inspect(source, work.value_range, placed=False)
    if raster.dtype not in SCALED_TYPES:
        known = ", ".join(SCALED_TYPES)
        raise StartupError(f"{source}: has {raster.dtype} values; convert them to one of {known}")
    if work.value_range is None and raster.dtype != "uint8":
        raster = replace(raster, range=whole_range(raster))
    return raster


def _check(source: Path, targets: list[_Target]) -> None:
    """All that can be said before anything is drawn."""
    seen = {source.resolve()}
    for target in targets:
        path = target.path
        if path.resolve() in seen:
            raise StartupError(f"{path}: would overwrite another file of this run")
        seen.add(path.resolve())
        if target.driver is None:
            raise StartupError(f"{path}: write to one of {', '.join(DRIVERS)}")
        whole = target.dtype in ("uint8", "uint16") and target.count in (1, 3)
        if target.driver == "PNG" and not whole:
            raise StartupError(f"{path}: PNG holds 1 or 3 bands of 8 or 16 bits; write to .tif")
        if path.is_dir() or not path.parent.is_dir():
            raise StartupError(f"{path}: cannot be written (not a file in an existing folder)")
        if target.parts.exists() and not (target.parts / RECORD).exists():
            raise StartupError(f"{target.parts}: is in the way, and not from a run of this command")


class _Drawing:
    """The blocks of one raster's picture and of its uncertainty."""

    def __init__(self, raster: Raster, checkpoint: Checkpoint, work: Upscaling) -> None:
        self.raster, self.checkpoint, self.work = raster, checkpoint, work
        self.extent = Window(0, 0, raster.height * work.factor, raster.width * work.factor)
        side = max(self.extent.height, self.extent.width)
        self.block_px = min(BLOCK_PX, max(MIN_BLOCK_PX, 1 << (side - 1).bit_length()))
        folder = CacheSettings().disk_folder()
        self._canonical = not windows_agree(checkpoint, work.settings, work.device, folder)
        self._memory = BlockMemory(MEMORY_BYTES)
        self._bands = Bands(OwnGridSource(raster), self._memory.section(("source",)))
        self._pyramid = self._new_pyramid()

    def picture(self, window: Window) -> NDArray[Any]:
        """The raster's own values over a window."""
        return unscaled(self._pyramid.picture(self.work.zooms).read(window), self.raster)

    def deviation(self, window: Window) -> NDArray[Any]:
        """The standard deviation of the error, root mean square of the bands, (1, H, W)."""
        low, high = self.raster.range
        deviation = self._pyramid.uncertainty(self.work.zooms).read(window) * (high - low)
        mean_square = (deviation**2).mean(axis=0, keepdims=True)
        root: NDArray[np.float32] = np.sqrt(mean_square).astype(np.float32)
        return root

    def valid(self, window: Window) -> NDArray[np.bool_]:
        factor = self.work.factor
        outer = window.parent(factor)
        rows, cols = outer.children(factor).slices(window)
        valid: NDArray[np.bool_] = self._bands.valid(outer).repeat(factor, 0).repeat(factor, 1)
        return valid[rows, cols]

    def _new_pyramid(self) -> Pyramid:
        return Pyramid(
            Doubled(self._bands),
            len(self.raster.indexes),
            0,
            self.work.zooms,
            self.checkpoint,
            self.work.settings,
            lambda name: self._memory.section((name,)),
            self.work.device,
            canonical=self._canonical,
            block_px=self.block_px,
        )

    def tags(self, target: _Target) -> dict[str, str]:
        """Provenance, written into every file."""
        settings, factor = self.work.settings, self.work.factor
        meaning = f"detail finer than 1/{factor} of this resolution"
        if target.deviation:
            meaning = "standard deviation of the error"
        return {
            "OVERZOOM_SYNTHETIC": meaning,
            "OVERZOOM_VERSION": version("overzoom"),
            "OVERZOOM_SOURCE": Path(self.raster.address.name).name,
            "OVERZOOM_SOURCE_FINGERPRINT": self.raster.fingerprint,
            "OVERZOOM_FACTOR": str(factor),
            "OVERZOOM_CHECKPOINT": self.checkpoint.name,
            "OVERZOOM_CHECKPOINT_FINGERPRINT": self.checkpoint.fingerprint,
            "OVERZOOM_STEPS": str(settings.schedule.steps),
            "OVERZOOM_DETAIL": f"{settings.detail:g}",
            "OVERZOOM_NOISE_SEED": str(settings.noise_seed),
        }


def _write(drawing: _Drawing, target: _Target) -> None:
    strips = list(_strips(drawing.extent, drawing.block_px))
    tags = drawing.tags(target)
    extra = [drawing.raster.range, drawing.block_px, target.dtype]
    _prepare(target.parts, fingerprint(tags, drawing.work.settings, *extra))
    across = -(-drawing.extent.width // drawing.block_px)
    paths = [target.parts / f"strip-{strip.row:09d}.tif" for strip in strips]
    with tqdm(total=across * len(strips), desc=target.path.name, unit="block") as bar:
        for strip, path in zip(strips, paths, strict=True):
            if path.exists():
                bar.update(across)
            else:
                _write_strip(drawing, target, path, strip, bar.update)
    mosaic = Mosaic(
        drawing.extent,
        tuple(zip(strips, paths, strict=True)),
        target.count,
        target.dtype,
    )
    driver = target.driver
    assert driver is not None
    write_mosaic(mosaic, target.path, driver, drawing.raster, _finer(drawing), tags)


def _strips(extent: Window, block_px: int) -> Iterator[Window]:
    for row in range(0, extent.height, block_px):
        yield Window(row, 0, min(block_px, extent.height - row), extent.width)


def _prepare(parts: Path, digest: str) -> None:
    """A folder for the strips of this very run: those of any other are removed."""
    record = parts / RECORD
    if record.exists() and record.read_text() == digest:
        return
    if parts.exists():
        shutil.rmtree(parts)
    parts.mkdir()
    record.write_text(digest)  # torn by a kill it is another run's


def _write_strip(
    drawing: _Drawing,
    target: _Target,
    path: Path,
    strip: Window,
    advance: Callable[[int], object],
) -> None:
    """One strip with an alpha band, in place only once it is complete."""
    count, dtype = target.count, target.dtype
    draw = drawing.deviation if target.deviation else drawing.picture
    partial = path.with_suffix(".partial")
    opaque = _opaque(dtype)
    with rasterio.open(
        partial,
        "w",
        driver="GTiff",
        height=strip.height,
        width=strip.width,
        count=count + 1,
        dtype=dtype,
        tiled=True,
        compress="deflate",
        zlevel=1,
        bigtiff="if_safer",
    ) as file:
        for col in range(0, strip.width, drawing.block_px):
            block = Window(strip.row, col, strip.height, min(drawing.block_px, strip.width - col))
            valid = drawing.valid(block)
            # Ground without data is neither drawn nor stored.
            pixels = draw(block) if valid.any() else np.zeros((count, *valid.shape), dtype)
            shown = np.where(valid, pixels, pixels.dtype.type(0))
            alpha = np.where(valid, opaque, 0).astype(dtype)[None]
            place = rasterio.windows.Window(col, 0, block.width, block.height)
            file.write(np.concatenate((shown, alpha)), window=place)
            advance(1)
    partial.replace(path)


def _opaque(dtype: str) -> float:
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind in "ui" else 255.0


def _finer(drawing: _Drawing) -> Affine | None:
    """The transform of the super-resolved grid, where the source has one."""
    with open_raster(drawing.raster) as dataset:
        transform: Affine = dataset.transform
    return None if transform.is_identity else transform * Affine.scale(1 / drawing.work.factor)
