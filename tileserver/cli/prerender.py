"""`overzoom prerender`: tiles made before anybody asks."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tileserver.cli.options import bbox_option, settings_of, settings_options, zooms_option

if TYPE_CHECKING:
    from tileserver.offline.area import Bbox


@click.command()
@settings_options
@click.argument("source")
@bbox_option
@zooms_option
@click.option("--format", default="png", show_default=True, help="png, jpg, webp, ...")
@click.option("--grid", default="WebMercatorQuad", show_default=True, help="Tile matrix set.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="Tiles under way at a time; 16 neighbours are drawn as one window.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads of the denoiser.  [one a core]")
def prerender(
    config: Path | None,
    cache_dir: Path | None,
    source: str,
    bbox: Bbox | None,
    zooms: tuple[int, ...] | None,
    format: str,
    grid: str,
    concurrency: int,
    threads: int | None,
) -> None:
    """Fill the cache with the tiles of SOURCE, an id of the configuration.

    All of the source at all zooms, or a part of it. Tiles that the cache has are passed over, so
    the same command goes on where it was stopped. Exit status 1 if tiles failed.
    """
    import torch

    from tileserver.assembly import open_catalogue
    from tileserver.offline.prerendering import Area, fill

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = settings_of(config, cache_dir)
    threads = threads or settings.threads
    if threads is not None:
        torch.set_num_threads(threads)
    counts = fill(
        open_catalogue(settings), source, Area(grid, bbox, zooms), format, concurrency=concurrency
    )
    click.echo(
        f"{source}: {counts.made:,} tiles made, {counts.cached:,} were cached already, "
        f"{counts.failed:,} failed"
    )
    if counts.dropped:
        click.echo(
            f"overzoom: {counts.dropped:,} tiles had to go to make room: the cache is full "
            "(cache.disk_bytes)",
            err=True,
        )
    if counts.failed:
        sys.exit(1)
