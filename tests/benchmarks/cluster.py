"""A whole raster on a Ray cluster of this machine, beside the run without Ray.

    python -m tests.benchmarks.cluster [--side 4096] [--factor 2] [--checkpoint compact|small]

Prints seconds of the local run (one thread), of one and of two workers (one CPU each), what Ray
takes more than the local run, and whether the bytes are the same, at half of this side and at all
of it; at twice the side, two workers alone. The driver's peak memory is printed for all three, and
how it grew while the scene's pixels grew sixteenfold.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import rasterio

from tests.support.checkpoint import save_small_checkpoint
from tests.support.commands import command_of
from tests.support.rasters import SCENE
from tests.support.ray_cluster import RayCluster
from tests.support.scenes import write


class Run(NamedTuple):
    """What one command took."""

    seconds: float
    peak_mb: float
    """Of the process itself, without workers."""


def main() -> None:
    """Print the table; exits with 1 where bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096, help="of the middle scene, in pixels")
    parser.add_argument("--factor", type=int, default=2)
    parser.add_argument("--checkpoint", default="compact", help="or small: the tests' own")
    options = parser.parse_args()
    same, peaks = True, []
    with TemporaryDirectory() as name, _running_cluster() as cluster:
        folder = Path(name)
        checkpoint = options.checkpoint
        if checkpoint == "small":
            checkpoint = save_small_checkpoint(folder / "small.safetensors")
        arguments = ["--factor", options.factor, "--checkpoint", checkpoint]
        for side in (options.side // 2, options.side, 2 * options.side):
            scene = _write_scene(folder / f"{side}.tif", side)
            print(f"{side} px, x{options.factor}")
            local = None
            if side <= options.side:
                local = _measure(cluster, scene, folder / "0.tif", *arguments, "--threads", 1)
            for workers in (2,) if local is None else (1, 2):
                on_ray = ["--ray", cluster.address, "--workers", workers]
                run = _measure(cluster, scene, folder / f"{workers}.tif", *arguments, *on_ray)
                same = _compare(folder, workers, run, local) and same
            peaks.append(run.peak_mb)
            for written in folder.glob("?.tif"):
                written.unlink()
    print(f"the driver's peak grew by {peaks[-1] - peaks[0]:+.0f} MB from the first to the last")
    raise SystemExit(not same)


def _compare(folder: Path, workers: int, run: Run, local: Run | None) -> bool:
    """Print a run beside the local one, if there is any; whether the bytes are the same."""
    if local is None:
        _report(f"{workers} worker(s)", run)
        return True
    equal = filecmp.cmp(folder / "0.tif", folder / f"{workers}.tif", shallow=False)
    remark = "same bytes" if equal else "OTHER BYTES"
    if workers == 1:
        _report("local", local)
        remark += f"; Ray takes {run.seconds - local.seconds:+.1f} s"
    else:
        remark += f"; {local.seconds / run.seconds:.2f} times as fast as local"
    _report(f"{workers} worker(s)", run, remark)
    return equal


@contextmanager
def _running_cluster() -> Iterator[RayCluster]:
    cluster = RayCluster()
    try:
        cluster.start()
        cluster.add_node()
        yield cluster
    finally:
        cluster.stop()


def _write_scene(path: Path, side: int) -> Path:
    with rasterio.open(SCENE) as file:
        pixels = file.read()
    tiled = np.tile(pixels, (1, -(-side // pixels.shape[1]), -(-side // pixels.shape[2])))
    return write(path, tiled[:, :side, :side], tiled=True, compress="deflate")


def _measure(cluster: RayCluster, source: Path, out: Path, *options: object) -> Run:
    start = time.monotonic()
    command = command_of("upscale", source, out, *options)
    # GDAL's cache is bounded: by so little that every scene fills it, and the peaks compare.
    environment = {**cluster.environment, "OMP_NUM_THREADS": "1", "GDAL_CACHEMAX": "20"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Run(time.monotonic() - start, usage.ru_maxrss / 1024)


def _report(what: str, run: Run, remark: str = "") -> None:
    print(f"  {what:12} {run.seconds:7.1f} s   driver {run.peak_mb:6.0f} MB   {remark}", flush=True)


if __name__ == "__main__":
    main()
