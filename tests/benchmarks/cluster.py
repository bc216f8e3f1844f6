"""A whole raster on a Ray cluster of this machine, beside the run without Ray.

    python -m tests.benchmarks.cluster [--side 4096] [--factor 2] [--checkpoint compact]

Prints seconds of the local run (one thread), of one and of two workers (one CPU each),
whether the bytes are the same, and the driver's peak memory at this side and at half of
it.
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

from tests.support.commands import command_of
from tests.support.rasters import SCENE
from tests.support.ray_cluster import RayCluster
from tests.tileserver.offline.upscaling.scenes import write


class Run(NamedTuple):
    """What one command took."""

    seconds: float
    peak_mb: float
    """Of the process itself, without workers."""


def main() -> None:
    """Print the table; exits with 1 where bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096, help="of the larger scene, in pixels")
    parser.add_argument("--factor", type=int, default=2)
    parser.add_argument("--checkpoint", default="compact")
    options = parser.parse_args()
    arguments = ["--factor", options.factor, "--checkpoint", options.checkpoint]
    same = True
    with TemporaryDirectory() as name, _running_cluster() as cluster:
        folder = Path(name)
        for side in (options.side // 2, options.side):
            scene = _write_scene(folder / f"{side}.tif", side)
            local = folder / "local.tif"
            print(f"{side} px, x{options.factor}")
            _report("local", _measure(cluster, scene, local, *arguments, "--threads", 1))
            for workers in (1, 2):
                out = folder / f"{workers}.tif"
                on_ray = ["--ray", cluster.address, "--workers", workers]
                run = _measure(cluster, scene, out, *arguments, *on_ray)
                equal = filecmp.cmp(local, out, shallow=False)
                _report(f"{workers} worker(s)", run, "same bytes" if equal else "OTHER BYTES")
                same = same and equal
                out.unlink()
            local.unlink()
    raise SystemExit(not same)


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
    environment = {**cluster.environment, "OMP_NUM_THREADS": "1"}
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
