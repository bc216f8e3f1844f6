"""`overzoom upscale`: whole rasters on their own grid."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tileserver.cli.cluster import cluster_of, cluster_options, take_cluster_options
from tileserver.cli.environment import resume_garbage_collection
from tileserver.cli.examples import examples
from tileserver.cli.options import bbox_option, noise_seed_option, threads_option
from tileserver.errors import StartupError

if TYPE_CHECKING:
    from tileserver.offline.pools import Pool
    from tileserver.offline.upscaling import Job, Upscaling

INTERRUPTED = 130
"""The exit status of what Ctrl-C has stopped: 128 and the number of its signal."""


@click.command(
    short_help="Super-resolve a whole raster to a file.",
    epilog=examples(
        "overzoom upscale scene.tif fine.tif --factor 4",
        "overzoom upscale scene.tif part.tif --bbox -110.64421,44.95660,-110.64406,44.95670",
        "overzoom upscale scene.tif small.tif --compression webp --quality 80",
        "overzoom upscale scene.tif best.tif --detail 0 --uncertainty error.tif",
        "overzoom upscale scene.tif other.png --noise-seed 1 --steps 4 --range 0 200 --overwrite",
        "overzoom upscale folder/ fine/ --checkpoint compact --device cpu --threads 2",
        "overzoom upscale scene.tif fine.tif --ray auto --workers 2 --cpus-per-worker 1",
        "overzoom upscale scene.tif fine.tif --ray 10.0.0.1:6379 --device cuda --gpus-per-worker 1",
    ),
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--factor",
    type=click.Choice(["2", "4", "8"]),
    default="2",
    show_default=True,
    help="Output pixels per input pixel, along each axis.",
)
@bbox_option
@click.option("--checkpoint", help="The denoiser: a file, or a bundled one by name.  [compact]")
@click.option("--steps", type=click.IntRange(1, 2000), help="Denoising steps per zoom.  [2]")
@click.option(
    "--detail",
    type=click.FloatRange(0, 1),
    help="How much synthesised texture; 0 writes the best estimate alone.  [0.7]",
)
@noise_seed_option
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, ...")
@threads_option
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
@click.option(
    "--compression",
    type=click.Choice(["deflate", "zstd", "lzw", "jpeg", "webp"]),
    help="Of GeoTIFFs. deflate is lossless and read by every GIS; jpeg and webp are four times "
    "smaller, but lose some detail.  [deflate]",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=90,
    show_default=True,
    help="Of jpeg and webp.",
)
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
def upscale(source: Path, out: Path, uncertainty: Path | None, **options: Any) -> None:
    """Super-resolve a whole raster on its own grid, to a COG (.tif) or a PNG.

    Of a folder, all rasters are written to the folder OUT, as COGs. The same command resumes an
    interrupted run. Existing files are kept, unless --overwrite is given.

    With --ray, the workers of a Ray cluster draw the blocks and this process joins them; the bytes
    are the same. All nodes need overzoom[ray], processors of one model, and SOURCE and OUT in a
    folder that they share. A lost worker's blocks are drawn again. As a job of the cluster:
    ray job submit -- overzoom upscale SOURCE OUT --ray auto
    """
    try:
        cluster = cluster_of(take_cluster_options(options), options["device"])
        from tileserver.offline.pools import open_pool
        from tileserver.offline.upscaling import list_jobs, parse_options

        resume_garbage_collection()
        jobs, work = list_jobs(source, out, uncertainty), parse_options(options)
        with open_pool(cluster) as pool:
            if source.is_dir():
                sys.exit(_upscale_all(jobs, work, pool))
            _upscale(jobs[0], work, pool)
    except KeyboardInterrupt:
        click.echo("overzoom: stopped; the same command resumes", err=True)
        sys.exit(INTERRUPTED)


def _upscale_all(jobs: list[Job], work: Upscaling, pool: Pool) -> int:
    """Upscale each, whatever becomes of the others; the exit status."""
    failed = 0
    for job in jobs:
        try:
            for target in (job.out, job.uncertainty):
                if target is not None:
                    target.parent.mkdir(parents=True, exist_ok=True)
            _upscale(job, work, pool)
        except (StartupError, OSError) as error:
            click.echo(f"overzoom: {error}", err=True)
            failed += 1
    click.echo(f"{len(jobs) - failed} of {len(jobs)} rasters written, {failed} failed")
    return 1 if failed else 0


def _upscale(job: Job, work: Upscaling, pool: Pool) -> None:
    from tileserver.offline.upscaling import upscale

    for line in upscale(job.source, job.out, work, job.uncertainty, pool):
        click.echo(line)
