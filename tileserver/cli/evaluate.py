"""`overzoom evaluate`: its command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tileserver.settings.noise_seeds import MAX_NOISE_SEED, MIN_NOISE_SEED

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("pictures", nargs=-1)
@click.option("--report", type=_PATH, required=True, help="Folder for the report.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=_PATH,
    help="A denoiser to judge; more than one may be named.  [the bundled one]",
)
@click.option(
    "--factor", "factors", multiple=True, type=click.Choice(["2", "4", "8"]), help="[2 4 8]"
)
@click.option("--steps", multiple=True, type=click.IntRange(1, 2000), help="[2]")
@click.option(
    "--noise-seed",
    type=click.IntRange(MIN_NOISE_SEED, MAX_NOISE_SEED),
    default=0,
    show_default=True,
)
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
@click.option("--sheet", type=_PATH, help="Picture to show in every way.")
@click.option("--served", type=(_PATH, _PATH), help="A real low-resolution raster, its truth.")
@click.option("--fusion", type=_PATH, help="Scene to compare fusion rules on.")
@click.option("--global-checkpoint", type=_PATH, help="A denoiser with global context for them.")
@click.option("--uncertainty", type=_PATH, help="Scene to check the uncertainty on.")
@click.option("--buildings", type=(_PATH, _PATH), help="A scene, and the mask of its buildings.")
@click.option("--threads", type=click.IntRange(1), help="[one per core]")
def evaluate(pictures: tuple[str, ...], report: Path, **options: Any) -> None:
    """Judge checkpoints on PICTURES, each FOLDER or NAME=FOLDER, reduced and enlarged again."""
    from tileserver.lab.evaluating import Evaluation, evaluate

    evaluate(Evaluation.of(pictures, options), report)
