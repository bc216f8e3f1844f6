"""`overzoom evaluate`: scores of a checkpoint on held-out pictures, beside bicubic's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean

import click
import numpy as np
import torch
from tqdm import tqdm

from engine.checkpoint import load_checkpoint
from engine.evaluation import Score, interpolated, score, super_resolved
from engine.imagery import Pixels
from engine.perceptual import PerceptualDistance
from engine.projection import pool
from engine.sampler import SamplerSettings
from engine.schedule import Schedule
from tileserver.pictures import picture_files, read_pictures
from tileserver.settings import BUNDLED_CHECKPOINT

Way = Callable[[Pixels], Pixels]


def evaluate_folder(
    folder: Path, path: Path | None, steps: int, noise_seed: int, limit: int | None
) -> None:
    """Print a table: every picture reduced to 2x2 means, doubled again, and compared."""
    checkpoint = load_checkpoint(path or BUNDLED_CHECKPOINT)
    settings = SamplerSettings(Schedule(steps=steps), noise_seed=noise_seed)
    metrics = {name: PerceptualDistance(name) for name in ("alex", "vgg")}
    ways: dict[str, Way] = {
        "bicubic": interpolated,
        f"{checkpoint.name}, {steps} steps": lambda low: super_resolved(low, checkpoint, settings),
    }
    scores: dict[str, list[Score]] = {name: [] for name in ways}
    count = min(len(picture_files(folder)), limit or 10**9)
    pictures = zip(range(count), read_pictures(folder), strict=False)
    for _, (_, levels) in tqdm(pictures, total=count, unit="picture"):
        truth = even(levels.transpose(2, 0, 1))
        low: Pixels = pool(torch.from_numpy(truth)).numpy()
        for name, way in ways.items():
            scores[name].append(score(way(low), low, truth, metrics))
    click.echo(f"{count} pictures of {folder.name}, x2 from 2x2 means")
    for line in table(scores):
        click.echo(line)


def even(levels: np.ndarray) -> Pixels:
    """Levels (C, H, W) as values, an odd last row or column left out."""
    height, width = levels.shape[1] // 2 * 2, levels.shape[2] // 2 * 2
    return levels[:, :height, :width].astype(np.float32) / np.float32(255)


def table(scores: dict[str, list[Score]]) -> Iterable[str]:
    """The means of every way's scores as a Markdown table."""
    yield "| way | PSNR dB | perceptual (AlexNet) | perceptual (VGG) | drift, levels |"
    yield "|---|---|---|---|---|"
    for name, all_scores in scores.items():
        yield (
            f"| {name} | {fmean(s.psnr_db for s in all_scores):.2f} "
            f"| {fmean(s.perceptual['alex'] for s in all_scores):.4f} "
            f"| {fmean(s.perceptual['vgg'] for s in all_scores):.4f} "
            f"| {fmean(s.drift_levels for s in all_scores):.3f} |"
        )
