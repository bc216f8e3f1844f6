"""Compares methods: pictures are reduced, enlarged by each method and compared with the truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from engine.evaluation.scores import Score, mean_score, scores
from engine.evaluation.seams import seam_ratio
from engine.evaluation.upsampling import resample
from engine.imagery import Pixels
from engine.network.projection import pool
from engine.perceptual import PerceptualDistance
from tileserver.lab.columns import SCORED, explain
from tileserver.lab.methods import TILE_PX, Method
from tileserver.lab.pictures import read_pictures
from tileserver.lab.report import Cell, Table, rows_by_name

LARGE_PX = 640
"""Larger pictures are evaluated by crops."""
CROP_PX = 512
CROPS = 6

MIN_LOW_PX = 32
"""Smaller reduced pictures are mostly border, and are left out."""

COLUMNS = SCORED | {
    "seam ratio": (
        f"How steep the picture is across borders of {TILE_PX} px tiles relative to beside them, "
        "divided by the same of the truth; 1 is no seam."
    ),
    "s/MP": "Seconds that a million pixels take to draw.",
}
PEERS = (
    f"Peers draw every tile of {TILE_PX} px by itself. Models that exist for x4 alone are shown at "
    "x2 by the 2x2 means of what they draw; models for x4 are shown at x8 by bicubic doubling of "
    "it. A projected picture is the nearest one whose means are the data."
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A low-resolution picture and the truth that it was reduced from."""

    low: Pixels
    truth: Pixels


def reduce_truths(truths: Sequence[Pixels], factor: int) -> list[Sample]:
    """Truths with their area means; those with means under MIN_LOW_PX a side are left out."""
    large = [truth for truth in truths if min(truth.shape[1:]) >= MIN_LOW_PX * factor]
    return [Sample(area_mean(truth, factor), truth) for truth in large]


def area_mean(truth: Pixels, factor: int) -> Pixels:
    """Means of factor x factor blocks, rounded to 8 bits like real data."""
    low = torch.from_numpy(np.ascontiguousarray(truth))
    for _ in range(factor.bit_length() - 1):
        low = pool(low)
    pixels: Pixels = ((low * 255).round() / 255).numpy()
    return pixels


def read_truths(place: Path, limit: int | None, crops: int = CROPS) -> list[Pixels]:
    """The pictures of a file or folder, large ones as crops; sides are multiples of 8."""
    found: list[Pixels] = []
    for _, levels in read_pictures(place):
        found += [as_pixels(crop) for crop in _crops(levels, crops)]
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def as_pixels(levels: NDArray[np.uint8]) -> Pixels:
    """Levels (H, W, 3) as values (3, H, W), cropped to multiples of 8."""
    height, width = (size // 8 * 8 for size in levels.shape[:2])
    inner = levels[:height, :width].transpose(2, 0, 1)
    return np.ascontiguousarray(inner, dtype=np.float32) / np.float32(255)


def _crops(levels: NDArray[np.uint8], count: int) -> Iterator[NDArray[np.uint8]]:
    """The picture itself, or if it is large, crops spread evenly over it."""
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


def score_methods(
    title: str,
    note: str,
    samples: Sequence[Sample],
    methods: Sequence[Method],
    metrics: Mapping[str, PerceptualDistance],
) -> Table:
    """The table of all methods: means over all samples."""
    found: dict[str, list[Score]] = {method.name: [] for method in methods}
    seams: dict[str, list[float]] = {method.name: [] for method in methods}
    seconds = dict.fromkeys(found, 0.0)
    for sample in tqdm(samples, desc=title, unit="picture"):
        drawn = {}
        for method in methods:
            began = time.perf_counter()
            drawn[method.name] = method.enlarge(sample.low)
            seconds[method.name] += time.perf_counter() - began
        zooms = (sample.truth.shape[-1] // sample.low.shape[-1]).bit_length() - 1
        plain = resample(sample.low, zooms, Image.Resampling.BICUBIC)
        for name, one in scores(drawn, sample.low, sample.truth, plain, metrics).items():
            found[name].append(one)
        for name, pixels in drawn.items():
            seams[name] += _seam(pixels, sample.truth)
    megapixels = sum(s.truth.shape[1] * s.truth.shape[2] for s in samples) / 1e6
    rows: dict[str, Sequence[Cell]] = {}
    for name, all_scores in found.items():
        border = float(np.mean(seams[name])) if seams[name] else float("nan")
        rows[name] = (*astuple(mean_score(all_scores)), border, seconds[name] / megapixels)
    note = f"{note} {PEERS}\n\n{explain(COLUMNS)}"
    return Table(title, note, ("method", *COLUMNS), rows_by_name(rows))


def _seam(pixels: Pixels, truth: Pixels) -> list[float]:
    """The seam ratio at tile borders over the truth's; empty without a border."""
    rows, cols = (range(TILE_PX, size, TILE_PX) for size in pixels.shape[1:])
    if not rows and not cols:
        return []
    return [seam_ratio(pixels, rows, cols) / seam_ratio(truth, rows, cols)]
