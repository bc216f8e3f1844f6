"""Enlargements of reduced pictures, beside peers and interpolations, against the truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from engine.evaluation.scores import Score, mean_score, scores
from engine.evaluation.seams import seam_ratio
from engine.evaluation.ways import resampled
from engine.imagery import Pixels
from engine.perceptual import PerceptualDistance
from engine.projection import pool
from tileserver.evaluating.report import Cell, Table, rows_by_name
from tileserver.evaluating.ways import TILE_PX, Way
from tileserver.pictures import read_pictures

LARGE_PX = 640
"""Of larger pictures only crops are judged."""
CROP_PX = 512
CROPS = 6

COLUMNS = (
    "way",
    "PSNR dB",
    "SSIM",
    "perceptual (AlexNet)",
    "perceptual (VGG)",
    "fine detail dB",
    "grid dB",
    "drift, levels",
    "spectral angle",
    "shift px",
    "improvement",
    "omission",
    "hallucination",
    "seam ratio",
    "s/MP",
)
EXPLANATION = (
    "Perceptual: shift-tolerant LPIPS, lower is nearer. Fine detail: spectral power in the finest "
    "quarter over the truth's, 0 is right. Grid: power of what repeats every 4 px in the error, "
    "over the frequencies around, 0 is none. Drift: mean abs(pool(picture) - data) of 255. "
    "Spectral angle in degrees and shift in data pixels, both against the data. Improvement, "
    "omission and hallucination as in opensr-test. Seam ratio: steepness across the borders of "
    "256 px tiles over that beside them, divided by the truth's own; 1 is no seam. Peers draw "
    "tiles alone."
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A low-resolution picture and what it should become."""

    low: Pixels
    truth: Pixels


def reduced(truths: Sequence[Pixels], factor: int) -> list[Sample]:
    """Truths with their area means."""
    return [Sample(area_mean(truth, factor), truth) for truth in truths]


def area_mean(truth: Pixels, factor: int) -> Pixels:
    """Means of factor x factor blocks, rounded to 8 bits as data is."""
    low = torch.from_numpy(np.ascontiguousarray(truth))
    for _ in range(factor.bit_length() - 1):
        low = pool(low)
    pixels: Pixels = ((low * 255).round() / 255).numpy()
    return pixels


def truths(place: Path, limit: int | None, crops: int = CROPS) -> list[Pixels]:
    """Pictures below a place with sides that 8 divides; of large ones, crops."""
    found: list[Pixels] = []
    for _, levels in read_pictures(place):
        found += [as_pixels(crop) for crop in _crops(levels, crops)]
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def as_pixels(levels: NDArray[np.uint8]) -> Pixels:
    """Levels (H, W, 3) as values (3, H, W) with sides that 8 divides."""
    height, width = (size // 8 * 8 for size in levels.shape[:2])
    inner = levels[:height, :width].transpose(2, 0, 1)
    return np.ascontiguousarray(inner, dtype=np.float32) / np.float32(255)


def _crops(levels: NDArray[np.uint8], count: int) -> Iterator[NDArray[np.uint8]]:
    """The picture, or where it is large crops spread evenly over it."""
    height, width = levels.shape[:2]
    if max(height, width) <= LARGE_PX:
        yield levels
        return
    across = max(1, round((count * width / height) ** 0.5))
    down = -(-count // across)
    for index in range(count):
        row = (index // across * 2 + 1) * height // (2 * down) - CROP_PX // 2
        col = (index % across * 2 + 1) * width // (2 * across) - CROP_PX // 2
        row, col = max(0, row), max(0, col)
        yield levels[row : row + CROP_PX, col : col + CROP_PX]


def judged(
    title: str,
    note: str,
    samples: Sequence[Sample],
    ways: Sequence[Way],
    metrics: Mapping[str, PerceptualDistance],
) -> Table:
    """The table of all ways over all samples."""
    found: dict[str, list[Score]] = {way.name: [] for way in ways}
    seams: dict[str, list[float]] = {way.name: [] for way in ways}
    seconds = dict.fromkeys(found, 0.0)
    for sample in tqdm(samples, desc=title, unit="picture"):
        drawn = {}
        for way in ways:
            began = time.perf_counter()
            drawn[way.name] = way.enlarge(sample.low)
            seconds[way.name] += time.perf_counter() - began
        zooms = (sample.truth.shape[-1] // sample.low.shape[-1]).bit_length() - 1
        plain = resampled(sample.low, zooms, Image.Resampling.BICUBIC)
        for name, one in scores(drawn, sample.low, sample.truth, plain, metrics).items():
            found[name].append(one)
        for name, pixels in drawn.items():
            seams[name] += _seam(pixels, sample.truth)
    megapixels = sum(s.truth.shape[1] * s.truth.shape[2] for s in samples) / 1e6
    rows: dict[str, Sequence[Cell]] = {}
    for name, all_scores in found.items():
        border = float(np.mean(seams[name])) if seams[name] else float("nan")
        rows[name] = (*_figures(mean_score(all_scores)), border, seconds[name] / megapixels)
    return Table(title, f"{note} {EXPLANATION}", COLUMNS, rows_by_name(rows))


def _figures(score: Score) -> tuple[float, ...]:
    return (
        score.psnr_db,
        score.ssim,
        score.perceptual_alex,
        score.perceptual_vgg,
        score.fine_power_db,
        score.grid_db,
        score.drift_levels,
        score.spectral_angle_degrees,
        score.shift_px,
        score.improvement,
        score.omission,
        score.hallucination,
    )


def _seam(pixels: Pixels, truth: Pixels) -> list[float]:
    """The seam ratio at tile borders over the truth's, where there is a border."""
    rows, cols = (range(TILE_PX, size, TILE_PX) for size in pixels.shape[1:])
    if not rows and not cols:
        return []
    return [seam_ratio(pixels, rows, cols) / seam_ratio(truth, rows, cols)]
