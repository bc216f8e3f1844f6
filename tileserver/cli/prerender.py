"""`overzoom prerender`: tiles made before anybody asks."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tileserver.cli.cluster import cluster_of, cluster_options, take_cluster_options
from tileserver.cli.environment import resume_garbage_collection
from tileserver.cli.examples import examples
from tileserver.cli.options import bbox_option, settings_options, threads_option, zooms_option
from tileserver.cli.selection import drawing_options, only_named
from tileserver.errors import CommandError, OutsideGrid

if TYPE_CHECKING:
    from tileserver.offline.area import Bbox
    from tileserver.offline.making import Counts


@click.command(
    short_help="Fill the cache with tiles.",
    epilog=examples(
        "overzoom prerender scene.tif --zooms 18-19 --cache-dir cache",
        "overzoom prerender folder/ --mosaic --checkpoint compact --device cpu --threads 2 "
        "--zooms 18",
        "overzoom prerender scene --config overzoom.yaml --format webp --zooms 19 "
        "--bbox -110.64421,44.95660,-110.64406,44.95670",
        "overzoom prerender scene.tif --grid WebMercatorQuad --concurrency 4 --zooms 17",
        "overzoom prerender scene --config overzoom.yaml --ray auto --workers 2 "
        "--cpus-per-worker 1 --gpus-per-worker 0",
    ),
)
@click.argument("sources", nargs=-1, required=True)
@settings_options
@bbox_option
@zooms_option
@click.option(
    "--format",
    default="png",
    show_default=True,
    help="png answers requests for every image format; lossy webp, jpg and avif are smaller, but "
    "answer only for themselves, as npy and tif do.",
)
@click.option("--grid", default="WebMercatorQuad", show_default=True, help="Tile matrix set.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="Tiles made at a time; 16 neighbours are drawn as one window.",
)
@drawing_options
@threads_option
@cluster_options
def prerender(
    sources: tuple[str, ...],
    config: Path | None,
    bbox: Bbox | None,
    zooms: tuple[int, ...] | None,
    format: str,
    grid: str,
    concurrency: int,
    mosaic: bool,
    **options: Any,
) -> None:
    """Fill the cache with tiles of SOURCES: ids of the configuration, rasters or folders.

    By default all of a source, from the zoom at which it fits into one tile to the deepest.
    `serve` with the same sources and options finds the tiles. Cached tiles are skipped, so
    rerunning the command resumes it. Exit status 1 if tiles failed, a tier of the cache did not
    take them, or a source could not be read.

    Several of these commands that share a Redis (cache.redis_url) or, on one machine, a cache
    folder divide the tiles between them. With --ray, the workers of a Ray cluster make them. All
    nodes need overzoom[ray], the rasters by the same paths, and a Redis or object store that they
    share. As a job of the cluster: ray job submit -- overzoom prerender SOURCE --ray auto
    """
    taken = take_cluster_options(options)
    settings = only_named(config, sources, mosaic=mosaic, **options)
    import torch

    from tileserver.assembly import open_catalogue
    from tileserver.offline.pools import open_pool
    from tileserver.offline.prerendering import Area, fill

    resume_garbage_collection()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    fine, area = True, Area(grid, bbox, zooms)
    with (
        closing(open_catalogue(settings, every=False)) as catalogue,
        open_pool(cluster_of(taken, settings.device)) as pool,
    ):
        for id in settings.sources:
            if catalogue.failure(id) is not None:
                fine = False  # logged when it was opened
                continue
            try:
                counts = fill(catalogue, id, area, format, concurrency=concurrency, pool=pool)
            except (CommandError, OutsideGrid) as error:
                if len(settings.sources) == 1:
                    raise
                click.echo(f"overzoom: {id}: {error}", err=True)  # the others may lie in the box
                continue
            _report(id, counts)
            fine = fine and not (counts.failed or counts.dropped)
    if not fine:
        sys.exit(1)


def _report(id: str, counts: Counts) -> None:
    click.echo(
        f"{id}: {counts.made:,} tiles made, {counts.cached:,} were cached already, "
        f"{counts.failed:,} failed"
    )
    if counts.evicted:
        click.echo(
            f"overzoom: {counts.evicted:,} tiles were evicted: the cache is full "
            "(cache.disk_bytes)",
            err=True,
        )
    for tier, writes in counts.dropped.items():
        click.echo(
            f"overzoom: {tier}: {writes:,} tiles were not written; run the command again once it "
            "takes them",
            err=True,
        )
