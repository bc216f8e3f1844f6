"""`overzoom evaluate`: its command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tileserver.cli.environment import resume_garbage_collection
from tileserver.cli.examples import examples
from tileserver.cli.options import noise_seed_option, threads_option

_PATH = click.Path(path_type=Path)
EXPERIMENTS = ("sheet", "served", "fusion", "uncertainty", "buildings")
"""Options that give something to judge besides PICTURES."""


@click.command(
    short_help="Judge checkpoints on pictures.",
    epilog=examples(
        "overzoom evaluate folder/ --factor 2 --limit 4",
        "overzoom evaluate town=folder/ --report report --checkpoint compact --steps 1 --factor 2 "
        "--noise-seed 1 --threads 2 --limit 1",
        "overzoom evaluate --sheet scene.tif --uncertainty scene.tif --factor 2",
    ),
)
@click.argument("pictures", nargs=-1)
@click.option(
    "--report",
    type=_PATH,
    default="evaluation",
    show_default=True,
    help="Folder for the report: report.md, report.json and pictures.",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=_PATH,
    help="A denoiser to judge, a file or a bundled one by name; several may be given.  [compact]",
)
@click.option(
    "--factor",
    "factors",
    multiple=True,
    type=click.Choice(["2", "4", "8"]),
    help="Output pixels per input pixel, along each axis.  [2 4 8]",
)
@click.option(
    "--steps", multiple=True, type=click.IntRange(1, 2000), help="Denoising steps per zoom.  [2]"
)
@noise_seed_option
@click.option("--limit", type=click.IntRange(1), help="Use at most this many pictures per set.")
@click.option(
    "--peers",
    "with_peers",
    is_flag=True,
    help="Also evaluate the models whose wheels are installed.",
)
@click.option(
    "--peers-folder", type=_PATH, help="Also evaluate SPAN x4; the folder of its span_x4.pth."
)
@click.option(
    "--sheet",
    type=_PATH,
    help="Picture to show enlarged by every method.  [the first of PICTURES]",
)
@click.option("--served", type=(_PATH, _PATH), help="A real low-resolution raster, and its truth.")
@click.option("--fusion", type=_PATH, help="Scene to compare fusion rules on.")
@click.option(
    "--global-checkpoint", type=_PATH, help="A denoiser with global context, for --fusion."
)
@click.option("--uncertainty", type=_PATH, help="Scene to check the uncertainty on.")
@click.option("--buildings", type=(_PATH, _PATH), help="A scene, and the mask of its buildings.")
@threads_option
def evaluate(pictures: tuple[str, ...], report: Path, **options: Any) -> None:
    """Judge checkpoints on PICTURES, each FOLDER or NAME=FOLDER, reduced and enlarged again.

    Writes a report of tables and pictures.
    """
    if not pictures and not any(options[name] for name in EXPERIMENTS):
        raise click.UsageError("name pictures, or --" + ", --".join(EXPERIMENTS))
    from tileserver.lab.evaluating import Evaluation, evaluate

    resume_garbage_collection()
    evaluate(Evaluation.of(pictures, options), report)
