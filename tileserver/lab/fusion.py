"""Compares the rules by which patches are fused, on one scene.

Every row is drawn in a process of its own, to measure its peak memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from engine.evaluation.global_unet import KINDS
from engine.evaluation.scores import scores
from engine.evaluation.seams import seam_ratio, variance_ratio
from engine.evaluation.upsampling import interpolate
from engine.imagery import ArrayImagery, Pixels
from engine.network.checkpoint import load_checkpoint
from engine.perceptual import PerceptualDistance
from engine.pictures.super_resolution import Doubled, SuperResolved
from engine.sampling.lattice import Lattice
from engine.sampling.schedule import Schedule
from engine.sampling.settings import Fusion, SamplerSettings
from engine.window import Window
from tileserver.lab.columns import SCORED, explain
from tileserver.lab.enlargements import Sample
from tileserver.lab.report import Cell, Table, rows_by_name

LATTICE = Lattice(128, 96)
"""Small patches, so that a small scene contains many borders."""
STEPS = 4
"""The rules differ between steps, so more steps than the default two show more."""
WINDOW = "window (ours)"
COLUMNS = SCORED | {
    "seam ratio": "How steep the picture is across patch borders over the truth's; 1 is right.",
    "variance ratio": (
        "The variance of detail where patches overlap over that elsewhere, divided by the same of "
        "the truth; 1 is right."
    ),
    "seconds": "How long the scene takes to draw.",
    "peak MiB": (
        "Peak memory above that of the loaded checkpoint; a lattice stores every contribution."
    ),
}


@dataclass(frozen=True, slots=True)
class _Drawn:
    pixels: Pixels
    seconds: float
    peak_mebibytes: float


def fusion_table(
    checkpoints: Sequence[Path],
    sample: Sample,
    metrics: Mapping[str, PerceptualDistance],
    steps: int = STEPS,
) -> Table:
    """Every rule with every checkpoint, and window evaluation if the checkpoint is local.

    steps: of the denoiser.
    """
    plain = interpolate(sample.low)
    height, width = sample.low.shape[1:]
    rows_at, cols_at = (_borders(size) for size in (height, width))
    overlaps = _overlaps(height, width)
    own_seam = seam_ratio(sample.truth, rows_at, cols_at)
    own_variance = variance_ratio(sample.truth - plain, overlaps)
    rows: dict[str, Sequence[Cell]] = {}
    for path in checkpoints:
        checkpoint = load_checkpoint(path, kinds=KINDS)
        modes = [str(rule) for rule in Fusion] + ([WINDOW] if checkpoint.denoiser.local else [])
        for mode in tqdm(modes, desc=f"fusion, {checkpoint.name}", unit="mode"):
            drawn = _alone(path, mode, sample.low, steps)
            found = scores({"": drawn.pixels}, sample.low, sample.truth, plain, metrics)[""]
            rows[f"{checkpoint.name}: {mode}"] = (
                *astuple(found),
                seam_ratio(drawn.pixels, rows_at, cols_at) / own_seam,
                variance_ratio(drawn.pixels - plain, overlaps) / own_variance,
                drawn.seconds,
                drawn.peak_mebibytes,
            )
    note = (
        f"x2 of {width} x {height} px in {steps} steps, patches of {LATTICE.patch_px} state pixels "
        f"every {LATTICE.stride_px}.\n\n{explain(COLUMNS)}"
    )
    return Table("Fusion rules on one scene", note, ("fusion", *COLUMNS), rows_by_name(rows))


def _alone(path: Path, mode: str, low: Pixels, steps: int) -> _Drawn:
    """Drawn in a process of its own, whose peak memory is that of this drawing."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imports once what every process needs
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_draw, path, mode, low, steps, torch.get_num_threads()).result()


def _draw(path: Path, mode: str, low: Pixels, steps: int, threads: int) -> _Drawn:
    torch.set_num_threads(threads)
    checkpoint = load_checkpoint(path, kinds=KINDS)
    rule = Fusion.SDVC if mode == WINDOW else Fusion(mode)
    settings = SamplerSettings(Schedule(steps=steps), LATTICE, fusion=rule)
    picture = SuperResolved(Doubled(ArrayImagery(low)), low.shape[0], checkpoint, settings, 1)
    window = Window(0, 0, 2 * low.shape[1], 2 * low.shape[2])
    _forget_peak()
    before, began = _peak_mebibytes(), time.perf_counter()
    pixels = picture.read(window) if mode == WINDOW else picture.read_lattice(window, {})
    return _Drawn(pixels, time.perf_counter() - began, _peak_mebibytes() - before)


def _forget_peak() -> None:
    """Reset the peak to the present memory (proc_pid_clear_refs, Linux)."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mebibytes() -> float:
    """The peak memory of this process in MiB (Linux; NaN elsewhere)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _borders(size: int) -> list[int]:
    """Rows or columns of the picture at which patches begin, end, or change ownership."""
    overlap = LATTICE.patch_px - LATTICE.stride_px
    starts = range(0, size, LATTICE.stride_px)
    return sorted(2 * (start + at) for start in starts for at in (0, overlap // 2, overlap))


def _overlaps(height: int, width: int) -> np.ndarray:
    """Pixels (2h, 2w) that several patches cover."""

    def along(size: int) -> np.ndarray:
        place = np.arange(size) % LATTICE.stride_px
        return place < LATTICE.patch_px - LATTICE.stride_px

    state: np.ndarray = along(height)[:, None] | along(width)
    return state.repeat(2, axis=0).repeat(2, axis=1)
