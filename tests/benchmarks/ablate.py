"""`make ablate DATA="FOLDER=WEIGHT ..." JUDGED=FOLDER`: what was tried, each for the same batches.

Prints the tables of engine/training/tried.md. Runs are short, so they rank choices that show
early (shape, noise levels) and say little about what long training would do.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from engine.evaluation.scores import mean_score, scores
from engine.evaluation.upsampling import resample, super_resolve
from engine.network.checkpoint import Checkpoint, load_checkpoint
from engine.network.local import NetworkConfig
from engine.perceptual import PerceptualDistance
from engine.sampling.schedule import Schedule
from engine.sampling.settings import SamplerSettings
from engine.training.imagery import Collection
from engine.training.loop import train
from engine.training.settings import TrainingSettings
from tileserver.checkpoints import COMPACT
from tileserver.lab.enlargements import area_mean, read_truths
from tileserver.lab.pictures import read_pictures

SHAPE_ITERATIONS = 400
JUDGED_PICTURES = 12
SHAPES = {
    "width 48, 5 encoder blocks": NetworkConfig(48, 5, 1),
    "width 32": NetworkConfig(32, 5, 1),
    "width 64": NetworkConfig(64, 5, 1),
    "3 encoder blocks": NetworkConfig(48, 3, 1),
    "7 encoder blocks": NetworkConfig(48, 7, 1),
}
SCHEDULES = [
    Schedule(steps, sigma_max, sigma_min)
    for steps, sigma_max, sigma_min in (
        (1, 6, 0.15),
        (1, 3, 0.15),
        (2, 6, 0.15),
        (2, 3, 0.15),
        (2, 8, 0.15),
        (2, 6, 0.5),
        (4, 6, 0.15),
        (4, 3, 0.15),
        (8, 6, 0.15),
    )
]


def main(judged: str, *data: str) -> None:
    collections = [_collection(entry) for entry in data]
    pictures = read_truths(Path(judged), JUDGED_PICTURES * 6)[::6]
    metrics = {name: PerceptualDistance(name) for name in ("alex", "vgg")}

    def row(
        name: str, checkpoint: Checkpoint, schedule: Schedule, detail: float, remark: str = ""
    ) -> None:
        cells = []
        for zooms in (1, 2):
            found = []
            for truth in pictures:
                low = area_mean(truth, 2**zooms)
                settings = SamplerSettings(schedule, detail=detail)
                drawn = super_resolve(low, checkpoint, settings, zooms)
                plain = resample(low, zooms, Image.Resampling.BICUBIC)
                found.append(scores({"": drawn}, low, truth, plain, metrics)[""])
            mean = mean_score(found)
            cells.append(
                f"{mean.psnr_db:.2f} / {mean.perceptual_alex:.4f} / {mean.perceptual_vgg:.4f}"
            )
        print(f"| {name} | {' | '.join(cells)} | {remark} |", flush=True)

    _head("Schedules, the bundled checkpoint")
    bundled = load_checkpoint(COMPACT)
    for schedule in SCHEDULES:
        name = f"{schedule.steps} steps, sigma {schedule.sigma_max:g} to {schedule.sigma_min:g}"
        row(name, bundled, schedule, 1.0)
    _head(f"Shapes, {SHAPE_ITERATIONS} batches from nothing, the mean alone")
    for name, network in SHAPES.items():
        settings = TrainingSettings(
            network=network,
            iterations=SHAPE_ITERATIONS,
            batch_size=6,
            crop_px=192,
            ema_halflife_iterations=50,
            warmup_iterations=50,
            learning_rate=1e-3,
        )
        checkpoint, seconds = _trained(collections, settings)
        row(name, checkpoint, Schedule(1), 0.0, f"{seconds:.0f} s")


def _head(title: str) -> None:
    print(
        f"\n## {title}\n\n| tried | x2: PSNR / AlexNet / VGG | x4 | training |\n|---|---|---|---|"
    )


def _collection(entry: str) -> Collection:
    place, _, weight = entry.partition("=")
    pictures = tuple(picture for _, picture in read_pictures(Path(place)))
    return Collection(Path(place).name, float(weight or 1), pictures)


def _trained(collections: list[Collection], settings: TrainingSettings) -> tuple[Checkpoint, float]:
    began = time.perf_counter()
    quick = replace(settings, bfloat16=True, save_every_seconds=1e9)
    with tempfile.TemporaryDirectory() as run:
        for progress in train(collections, quick, Path(run), {}):
            assert np.isfinite(progress.mean)
        seconds = time.perf_counter() - began
        return load_checkpoint(Path(run) / "checkpoint.safetensors"), seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
