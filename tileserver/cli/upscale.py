"""`overzoom upscale`: a whole raster on its own grid."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tileserver.settings.noise_seeds import MAX_NOISE_SEED, MIN_NOISE_SEED

INTERRUPTED = 130
"""The exit status of what Ctrl-C has stopped: 128 and the number of its signal."""


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--factor", type=click.Choice(["2", "4", "8"]), default="2", show_default=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The denoiser to use.")
@click.option("--steps", type=click.IntRange(1, 2000), help="Denoising steps per zoom.  [2]")
@click.option(
    "--detail",
    type=click.FloatRange(0, 1),
    help="How much synthesised texture; 0 writes the best estimate alone.  [0.65]",
)
@click.option(
    "--noise-seed",
    type=click.IntRange(MIN_NOISE_SEED, MAX_NOISE_SEED),
    default=0,
    show_default=True,
)
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Threads of the denoiser.  [one per core]")
@click.option(
    "--range",
    "value_range",
    type=(float, float),
    help="What the network sees as black and white; nothing is clipped.  [as served]",
)
@click.option(
    "--uncertainty",
    type=click.Path(path_type=Path),
    help="Also write the standard deviation of the error to this GeoTIFF.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
def upscale(source: Path, out: Path, uncertainty: Path | None, **options: Any) -> None:
    """Super-resolve a whole raster on its own grid, to a COG (.tif) or a PNG.

    The same command resumes where it was stopped. Files that are there already are kept, unless
    they may be overwritten.
    """
    try:
        from tileserver.offline.upscaling import parse_options, upscale

        for line in upscale(source, out, parse_options(options), uncertainty):
            click.echo(line)
    except KeyboardInterrupt:
        click.echo("overzoom: stopped; the same command resumes", err=True)
        sys.exit(INTERRUPTED)
