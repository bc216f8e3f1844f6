"""`overzoom upscale`: a whole raster super-resolved on its own grid, in bounded memory.

    source -> strips of blocks (OUT.parts/, each written whole or not at all) -> OUT

A strip is a row of blocks. A run that was stopped goes on with the first strip that is missing;
a run with other settings begins anew. The pixels are those of the tile server's engine: zoom k of
a pyramid whose native zoom is the raster itself, so every 2x2 mean is the pixel above it.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from tqdm import tqdm

from cache.key import fingerprint
from engine.checkpoint import Checkpoint
from engine.probe import windows_agree
from engine.pyramid import Pyramid
from engine.resolver import Doubled
from engine.sampler import SamplerSettings
from engine.schedule import Schedule
from engine.window import Window
from tileserver.checkpoints import local_checkpoint
from tileserver.errors import StartupError
from tileserver.memo import BlockMemory
from tileserver.mosaic import Mosaic, write_mosaic
from tileserver.raster import Raster, inspect, open_raster
from tileserver.source import Bands, OwnGridSource, unscaled

BLOCK_PX = 1024
"""A block's halo costs a quarter of its work at this side; 256 px would double it."""
MIN_BLOCK_PX = 256
MEMORY_BYTES = 256 * 2**20
"""Source blocks, and blocks of the zooms above where a device draws whole blocks only."""
DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG"}


@dataclass(frozen=True, slots=True)
class Upscaling:
    """What is asked for."""

    factor: int
    settings: SamplerSettings
    checkpoint: Path | None = None
    """Default: the bundled one for the device."""
    device: str = "cpu"
    value_range: tuple[float, float] | None = None
    samples: int = 8
    """Noise seeds that an uncertainty map is taken over: noise_seed and those after it."""

    @property
    def zooms(self) -> int:
        return self.factor.bit_length() - 1


def upscaling(options: dict[str, Any]) -> Upscaling:
    """What the command line asks for; sets the number of torch's threads."""
    if options["threads"] is not None:
        torch.set_num_threads(options["threads"])
    steps = {} if options["steps"] is None else {"steps": options["steps"]}
    return Upscaling(
        int(options["factor"]),
        SamplerSettings(Schedule(**steps), noise_seed=options["noise_seed"]),
        options["checkpoint"],
        options["device"],
        options["value_range"],
        options["samples"],
    )


def upscale(source: Path, out: Path, work: Upscaling, uncertainty: Path | None) -> None:
    """Write the super-resolved raster, and where wanted its uncertainty map.

    Raises StartupError for what cannot be read, written or meant.
    """
    for file in (out, uncertainty):
        if file is not None and file.resolve() == source.resolve():
            raise StartupError(f"{file}: would overwrite its own source")
    with warnings.catch_warnings():
        # Pictures may lie nowhere, and strips need not.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        raster = inspect(source, work.value_range, placed=False)
        checkpoint = local_checkpoint(work.checkpoint, work.device)
        drawing = _Drawing(raster, checkpoint, work)
        _write(drawing, out, drawing.picture, len(raster.indexes), raster.dtype)
        if uncertainty is not None:
            _write(drawing, uncertainty, drawing.deviation, 1, "float32")


class _Drawing:
    """The blocks of one raster's pictures, one pyramid a noise seed."""

    def __init__(self, raster: Raster, checkpoint: Checkpoint, work: Upscaling) -> None:
        self.raster, self.checkpoint, self.work = raster, checkpoint, work
        self.extent = Window(0, 0, raster.height * work.factor, raster.width * work.factor)
        side = max(self.extent.height, self.extent.width)
        self.block_px = min(BLOCK_PX, max(MIN_BLOCK_PX, 1 << (side - 1).bit_length()))
        self._canonical = not windows_agree(checkpoint, work.settings, work.device)
        self._memory = BlockMemory(MEMORY_BYTES)
        self._bands = Bands(OwnGridSource(raster), self._memory.section(("source",)))

    def picture(self, window: Window) -> NDArray[Any]:
        """The raster's own values over a window."""
        return unscaled(self._drawn(window, self.work.settings.noise_seed), self.raster)

    def deviation(self, window: Window) -> NDArray[Any]:
        """Standard deviation over noise seeds, root mean square of the bands, (1, H, W)."""
        first = self.work.settings.noise_seed
        mean = squares = np.zeros((), np.float64)
        for count, seed in enumerate(range(first, first + self.work.samples), start=1):
            drawn = self._drawn(window, seed).astype(np.float64)
            step = drawn - mean  # Welford's update: no difference of large sums
            mean = mean + step / count
            squares = squares + step * (drawn - mean)
        low, high = self.raster.range
        deviation = np.sqrt(squares / (self.work.samples - 1)) * (high - low)
        mean_square = (deviation**2).mean(axis=0, keepdims=True)
        root: NDArray[np.float32] = np.sqrt(mean_square).astype(np.float32)
        return root

    def valid(self, window: Window) -> NDArray[np.bool_]:
        factor = self.work.factor
        outer = window.parent(factor)
        rows, cols = outer.children(factor).slices(window)
        valid: NDArray[np.bool_] = self._bands.valid(outer).repeat(factor, 0).repeat(factor, 1)
        return valid[rows, cols]

    def _drawn(self, window: Window, noise_seed: int) -> NDArray[np.float32]:
        return self._pyramid(noise_seed).picture(self.work.zooms).read(window)

    def _pyramid(self, noise_seed: int) -> Pyramid:
        settings = self.work.settings
        return Pyramid(
            Doubled(self._bands),
            len(self.raster.indexes),
            0,
            self.work.zooms,
            self.checkpoint,
            SamplerSettings(settings.schedule, settings.lattice, noise_seed, settings.fusion),
            lambda zoom: self._memory.section((f"seed {noise_seed}", f"zoom {zoom}")),
            self.work.device,
            canonical=self._canonical,
            block_px=self.block_px,
        )

    def tags(self) -> dict[str, str]:
        """Provenance, written into every file."""
        settings = self.work.settings
        return {
            "OVERZOOM_SYNTHETIC": f"detail finer than 1/{self.work.factor} of this resolution",
            "OVERZOOM_VERSION": version("overzoom"),
            "OVERZOOM_SOURCE": self.raster.path.name,
            "OVERZOOM_SOURCE_FINGERPRINT": self.raster.fingerprint,
            "OVERZOOM_FACTOR": str(self.work.factor),
            "OVERZOOM_CHECKPOINT": self.checkpoint.name,
            "OVERZOOM_CHECKPOINT_FINGERPRINT": self.checkpoint.fingerprint,
            "OVERZOOM_STEPS": str(settings.schedule.steps),
            "OVERZOOM_NOISE_SEED": str(settings.noise_seed),
        }


def _write(
    drawing: _Drawing,
    out: Path,
    draw: Callable[[Window], NDArray[Any]],
    count: int,
    dtype: str,
) -> None:
    driver = DRIVERS.get(out.suffix.lower())
    if driver is None:
        raise StartupError(f"{out}: write to one of {', '.join(DRIVERS)}")
    if driver == "PNG" and (dtype not in ("uint8", "uint16") or count > 4):
        raise StartupError(f"{out}: PNG holds up to 4 bands of 8 or 16 bits; write to .tif")
    strips = list(_strips(drawing.extent, drawing.block_px))
    parts = out.with_name(out.name + ".parts")
    tags = drawing.tags()
    extra = [drawing.raster.range, drawing.block_px, drawing.work.samples, count, dtype]
    _prepare(parts, fingerprint(tags, drawing.work.settings, *extra))
    blocks = sum(-(-strip.width // drawing.block_px) for strip in strips)
    with tqdm(total=blocks, desc=out.name, unit="block") as bar:
        paths = []
        for strip in strips:
            path = parts / f"strip-{strip.row:09d}.tif"
            paths.append(path)
            if not path.exists():
                _write_strip(drawing, path, strip, draw, (count, dtype), bar.update)
            else:
                bar.update(-(-strip.width // drawing.block_px))
    mosaic = Mosaic(drawing.extent, tuple(zip(strips, paths, strict=True)), count, dtype)
    try:
        write_mosaic(mosaic, out, driver, drawing.raster, _finer(drawing), tags)
    except RasterioError as error:
        raise StartupError(f"{out}: cannot be written ({error})") from error
    shutil.rmtree(parts)


def _strips(extent: Window, block_px: int) -> Iterator[Window]:
    for row in range(0, extent.height, block_px):
        yield Window(row, 0, min(block_px, extent.height - row), extent.width)


def _prepare(parts: Path, digest: str) -> None:
    """A folder for the strips of this very run: those of any other are removed."""
    record = parts / "run.json"
    if record.exists() and json.loads(record.read_text()) == digest:
        return
    try:
        if parts.exists():
            shutil.rmtree(parts)
        parts.mkdir()
        record.write_text(json.dumps(digest))
    except OSError as error:
        raise StartupError(f"{parts}: cannot be written ({error.strerror})") from error


def _write_strip(
    drawing: _Drawing,
    path: Path,
    strip: Window,
    draw: Callable[[Window], NDArray[Any]],
    shape: tuple[int, str],
    advance: Callable[[int], object],
) -> None:
    """One strip with an alpha band, in place only once it is complete."""
    count, dtype = shape
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
