"""`overzoom train`: trains on files, with a progress bar and a sheet of samples."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image
from tqdm import tqdm

from engine.evaluation.global_unet import GlobalConfig
from engine.network.local import NetworkConfig
from engine.training.imagery import Collection
from engine.training.loop import train
from engine.training.settings import Stage, TrainingSettings
from tileserver.errors import StartupError
from tileserver.lab.pictures import read_pictures
from tileserver.origins.files import picture_files


def train_with_progress(data: tuple[str, ...], run: Path, options: dict[str, Any]) -> None:
    """Train on FOLDER[=WEIGHT] entries; writes state, checkpoint and samples.png into run/."""
    settings = training_settings(options)
    folders = [_folder(entry) for entry in data]
    collections = [
        Collection(folder.name, weight, tuple(picture for _, picture in read_pictures(folder)))
        for folder, weight in tqdm(folders, desc="reading", unit="folder")
    ]
    bar = tqdm(total=100.0, desc="training", unit="%", bar_format=_BAR)
    for progress in train(collections, settings, run, {}):
        bar.n = round(100 * progress.fraction, 1)
        bar.set_postfix_str(
            f"batch {progress.iteration}, mean {progress.mean:.3f}, "
            f"picture {progress.picture:.3f}, perceptual {progress.perceptual:.3f}, "
            f"{progress.images_per_second:.1f} images/s"
        )
        if progress.samples is not None:
            _save_samples(progress.samples, run / "samples.png")
    bar.close()
    click.echo(f"{run / 'checkpoint.safetensors'}")


_BAR = "{desc}: {n:.1f}%|{bar}| {elapsed} {postfix}"


def training_settings(options: dict[str, Any]) -> TrainingSettings:
    """Settings from the options of the command line, the network's among them."""
    config = GlobalConfig if options.get("context") == "global" else NetworkConfig
    shape = {f.name for f in fields(NetworkConfig)}
    rest = {k: v for k, v in options.items() if k not in {*shape, "context"}}
    try:
        network = config(**{k: v for k, v in options.items() if k in shape})
        if "stage" in rest:
            rest["stage"] = Stage(rest["stage"])
        return TrainingSettings(network=network, **rest)
    except (TypeError, ValueError) as error:
        raise StartupError(str(error)) from error


def _folder(entry: str) -> tuple[Path, float]:
    """A path with pictures and its weight, from FOLDER[=WEIGHT]."""
    place, _, weight = entry.partition("=")
    try:
        share = float(weight) if weight else 1.0
    except ValueError:
        raise StartupError(f"--data {entry}: {weight!r} is not a number") from None
    picture_files(Path(place))
    return Path(place), share


def _save_samples(samples: torch.Tensor, path: Path) -> None:
    """Write condition, sample and truth side by side, one row a crop."""
    levels = (samples * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(path)
