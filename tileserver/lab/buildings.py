"""An evaluation by task: buildings found by a network that was trained on true pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from tqdm import tqdm

from engine.evaluation.segmentation import Mask, intersection_over_union, train_segmenter
from engine.imagery import Pixels
from tileserver.errors import StartupError
from tileserver.lab.enlargements import area_mean, as_pixels
from tileserver.lab.methods import Method
from tileserver.lab.pictures import read_picture
from tileserver.lab.report import Cell, Table, rows_by_name

TRAINED_SHARE = 0.55
"""Share of the scene, from the top, to train on; the rest is for evaluation, after a gap."""
SEEDS = 3
"""Segmenters with different initial parameters and crops, because the IoU of one is noisy."""


def buildings_table(
    truth: Path, mask: Path, methods: Mapping[int, Sequence[Method]], iterations: int
) -> Table:
    """IoU by method and factor, against hand-drawn buildings, at half the truth's resolution."""
    levels = read_picture(truth)
    buildings = _mask(mask)
    if buildings.shape != levels.shape[:2]:
        raise StartupError(f"{mask}: is not of the same size as {truth}")
    picture = area_mean(as_pixels(levels), 2)
    height, width = (2 * size for size in picture.shape[1:])
    found = buildings[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3)) >= 0.5
    split = round(picture.shape[1] * TRAINED_SHARE)
    segmenters = [
        train_segmenter(picture[:, :split], found[:split], iterations, seed)
        for seed in tqdm(range(SEEDS), desc="training segmenters", unit="segmenter")
    ]
    test = as_pixels(np.rint(picture[:, split + 64 :] * 255).astype(np.uint8).transpose(1, 2, 0))
    there = found[split + 64 :][: test.shape[1], : test.shape[2]]

    def judged(shown: Pixels) -> list[float]:
        return [intersection_over_union(one, shown, there) for one in segmenters]

    true = judged(test)
    rows: dict[str, Sequence[Cell]] = {"truth": _cells(true, true)}
    for factor, some in methods.items():
        low = area_mean(test, factor)
        for method in tqdm(some, desc=f"buildings, x{factor}", unit="method"):
            rows[f"x{factor}: {method.name}"] = _cells(judged(method.enlarge(low)), true)
    note = (
        f"IoU of buildings on {test.shape[2]} x {test.shape[1]} px, mean of {SEEDS} segmenters "
        f"trained for {iterations} batches on true pixels of another part of the scene; spread is "
        "half the range over segmenters."
    )
    columns = ("picture", "IoU", "spread", "behind truth")
    return Table("Buildings found", note, columns, rows_by_name(rows))


def _cells(found: list[float], true: list[float]) -> tuple[float, float, float]:
    mean = float(np.mean(found))
    return mean, (max(found) - min(found)) / 2, float(np.mean(true)) - mean


def _mask(path: Path) -> Mask:
    with rasterio.open(path) as dataset:
        mask: Mask = dataset.read(1) > 0
    if not mask.any() or mask.all():
        raise StartupError(f"{path}: shows no buildings, or only buildings")
    return mask
