"""The whole run of `overzoom upscale`, step by step."""

from __future__ import annotations

import warnings
from pathlib import Path

from rasterio.errors import NotGeoreferencedWarning, RasterioError

from engine.window import Window
from tileserver.checkpoints import local_checkpoint
from tileserver.errors import StartupError
from tileserver.library_internals import CPLE_BaseError
from tileserver.offline.pools import LOCAL, Pool
from tileserver.offline.upscaling.drawing import Drawing
from tileserver.offline.upscaling.mosaic import write_mosaic
from tileserver.offline.upscaling.options import Upscaling
from tileserver.offline.upscaling.scene import Scene
from tileserver.offline.upscaling.strips import remove_strips, write_strips
from tileserver.offline.upscaling.target import Target, describe_run, is_finished, list_targets


def upscale(
    source: Path, out: Path, work: Upscaling, uncertainty: Path | None = None, pool: Pool = LOCAL
) -> list[str]:
    """Write the super-resolved raster, and its uncertainty map if requested.

    pool: draws the blocks; all of it must see the source and write to the folder of the results by
    the same paths.

    Values other than 8-bit are scaled for the network by the given range, else as the server does;
    none is clipped. Returns one line about each file. Raises StartupError for unreadable input,
    unwritable output and invalid options.
    """
    with warnings.catch_warnings():
        # Pictures and strips may lack georeferencing.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        scene = Scene(source, work.value_range, work.bbox)
        targets = list_targets(scene, out, uncertainty, work)
        checkpoint = local_checkpoint(work.checkpoint, work.device)
        runs = [describe_run(scene, checkpoint, work, target) for target in targets]
        finished = [
            not work.overwrite and is_finished(target.path, run)
            for target, run in zip(targets, runs, strict=True)
        ]
        if not all(finished) or any(target.parts.exists() for target in targets):
            drawing = Drawing(scene, checkpoint, work)
            for target, run, done in zip(targets, runs, finished, strict=True):
                if not done:
                    _write(drawing, target, run, pool)
            for target in targets:  # only now: with --overwrite they are needed again
                remove_strips(drawing, target)
    extent = scene.part.children(work.factor)
    return [_report(target, extent, done) for target, done in zip(targets, finished, strict=True)]


def _write(drawing: Drawing, target: Target, run: dict[str, str], pool: Pool) -> None:
    try:
        strips = write_strips(drawing, target, pool)
        write_mosaic(target, strips, drawing.extent, run)
    except (CPLE_BaseError, RasterioError, OSError) as error:
        raise StartupError(f"{target.path}: cannot be written ({error})") from error


def _report(target: Target, extent: Window, finished: bool) -> str:
    if finished:
        return f"{target.path}: finished by an earlier run with these settings; nothing to do"
    pixel = target.description.placement.pixel()
    size = f"{extent.width} x {extent.height} px" + (f" of {pixel}" if pixel else "")
    megabytes = target.path.stat().st_size / 1e6
    return f"{target.path}: written, {size}, {megabytes:,.1f} MB ({target.kind})"
