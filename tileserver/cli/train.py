"""`overzoom train`, `overzoom average` and `overzoom calibrate`: checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tileserver.cli.environment import resume_garbage_collection
from tileserver.cli.examples import examples


@click.command(
    short_help="Train a network, or resume.",
    epilog=examples(
        "overzoom train --data folder/ --run runs/mean --minutes 600 --device cpu",
        "overzoom train --data folder/=3 --data scene.tif --run runs/small --width 32 "
        "--encoder-blocks 4 --denoiser-blocks 2 --batch-size 4 --crop-px 112 --iterations 20000",
        "overzoom train --data folder/ --run runs/mine --stage texture "
        "--initial runs/mean/checkpoint.safetensors",
        "overzoom train --data folder/ --run runs/sure --stage deviation "
        "--initial runs/mine/checkpoint.safetensors",
    ),
)
@click.option(
    "--data",
    multiple=True,
    required=True,
    help="Folder or raster to train on; FOLDER=3 draws from it three times as often.",
)
@click.option("--run", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--initial",
    type=click.Path(path_type=Path),
    help="Checkpoint to start from; a smaller network grows into this one.",
)
@click.option(
    "--stage",
    type=click.Choice(["mean", "texture", "deviation"]),
    help="The encoder, the denoiser on top of it, or its uncertainty alone.  [mean]",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    help="Parameters of SPAN x4: its enlargements of native imagery are training targets too.",
)
@click.option("--iterations", type=int, help="Batches to train for.")
@click.option("--minutes", type=float, help="Minutes to train for, instead of --iterations.")
@click.option("--batch-size", type=int, help="Crops per batch.")
@click.option("--crop-px", type=int, help="Side of a crop.")
@click.option("--width", type=int, help="Channels of the network.")
@click.option("--encoder-blocks", type=int, help="Depth of the encoder.")
@click.option("--denoiser-blocks", type=int, help="Depth of the denoiser.")
@click.option(
    "--context",
    type=click.Choice(["local", "global"]),
    help="global: a U-Net with attention, which only comparisons can use.  [local]",
)
@click.option("--learning-rate", type=float, help="Learning rate at the start.")
@click.option(
    "--encoder-rate", type=float, help="The encoder's share of the learning rate in stage texture."
)
@click.option("--picture-weight", type=float, help="Weight of the squared error of drawn pictures.")
@click.option(
    "--perceptual-weight",
    type=float,
    help="Weight of their perceptual distance; 0: no pictures are drawn.",
)
@click.option("--judges-a-batch", type=click.IntRange(1, 2), help="Backbones that judge one batch.")
@click.option(
    "--adversary-share",
    type=click.FloatRange(0, 1),
    help="A discriminator's pull on drawn pictures, as a share of all other judges'.  [0]",
)
@click.option(
    "--own-output-share",
    type=float,
    help="Share of batches whose condition is the network's own output.",
)
@click.option("--noise-seed", type=click.IntRange(0, 2**31 - 1), help="Seed of all random numbers.")
@click.option("--save-every-seconds", type=float, help="How often to save.  [120]")
@click.option("--device", help="cpu, cuda, ...")
@click.option(
    "--bfloat16/--float32",
    default=None,
    help="Mixed precision; pays on a GPU and on processors with AVX-512 BF16.",
)
def train(data: tuple[str, ...], run: Path, **options: Any) -> None:
    """Train a network for two zooms; the same command resumes an interrupted run."""
    from tileserver.lab.training import train_with_progress

    resume_garbage_collection()
    train_with_progress(data, run, {k: v for k, v in options.items() if v is not None})


@click.command(
    short_help="Average checkpoints.",
    epilog=examples(
        "overzoom average runs/mine/checkpoint.safetensors runs/sure/checkpoint.safetensors "
        "--out runs/average.safetensors"
    ),
)
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The checkpoint to write."
)
def average(checkpoints: tuple[Path, ...], out: Path) -> None:
    """Write the mean of the parameters of CHECKPOINTS, which began from the same one."""
    from engine.training.averaging import average_checkpoints

    resume_garbage_collection()
    average_checkpoints(checkpoints, out)


@click.command(
    short_help="Fit the uncertainty of a checkpoint.",
    epilog=examples(
        "overzoom calibrate runs/sure/checkpoint.safetensors folder/ --limit 8 --threads 2",
    ),
)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Use at most this many pictures per folder.")
@click.option("--threads", type=click.IntRange(1), help="Threads of the denoiser.  [one per core]")
def calibrate(
    checkpoint: Path, pictures: tuple[Path, ...], limit: int | None, threads: int | None
) -> None:
    """Fit the uncertainty of CHECKPOINT to its errors on PICTURES, and write it back."""
    import torch

    from tileserver.lab.calibrating import calibrate

    resume_garbage_collection()
    if threads is not None:
        torch.set_num_threads(threads)
    calibrate(checkpoint, pictures, limit)
