"""`overzoom cache`: what is kept, what goes, what is taken along."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tileserver.cli.options import bbox_option, settings_of, settings_options, zooms_option
from tileserver.errors import CommandError

if TYPE_CHECKING:
    from cache import Store
    from tileserver.offline.area import Bbox, TileRange
    from tileserver.settings.server import Settings


@click.group()
def cache() -> None:
    """Look into the cache, clear it, or export tiles from it.

    All tiers that outlive a server: disk, Redis, object store. What a running server has in its
    memory stays there until it is crowded out.
    """


@cache.command()
@settings_options
def stats(config: Path | None, cache_dir: Path | None) -> None:
    """Print what every tier holds, by source and zoom."""
    from tileserver.offline.purging import Amount, sum_amounts

    for tier in _tiers(settings_of(config, cache_dir)):
        found = sum_amounts(tier)
        total = Amount(
            sum(amount.tiles for amount in found.values()),
            sum(amount.size_bytes for amount in found.values()),
        )
        click.echo(f"{tier.name}: {total}")
        for (source, zoom), amount in found.items():
            place = source if zoom < 0 else f"{source} zoom {zoom}"
            click.echo(f"  {place}: {amount}")


@cache.command()
@settings_options
@click.option("--source", help="Only tiles of this source.")
@bbox_option
@zooms_option
@click.option("--grid", help="Only this tile matrix set.  [with --bbox: WebMercatorQuad]")
@click.option("--stale", is_flag=True, help="Only what the server of --config has no use for.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def purge(
    config: Path | None,
    cache_dir: Path | None,
    source: str | None,
    bbox: Bbox | None,
    zooms: tuple[int, ...] | None,
    grid: str | None,
    stale: bool,
    everything: bool,
    dry_run: bool,
) -> None:
    """Remove tiles from every tier; several options together narrow the choice.

    --stale finds tiles of sources that have changed or gone, and of other checkpoints, steps or
    noise seeds.
    """
    from tileserver.offline.purging import Selection, purge

    chosen = source or bbox or zooms or grid or stale
    if bool(chosen) == everything:
        raise click.UsageError("say what to purge: --source, --bbox, --zooms, --stale, or --all")
    settings = settings_of(config, cache_dir)
    grid = grid or ("WebMercatorQuad" if bbox else None)
    selection = Selection(
        source,
        grid,
        None if zooms is None else frozenset(zooms),
        {} if bbox is None or grid is None else _area(grid, bbox, zooms),
        _current(settings) if stale else None,
    )
    for tier in _tiers(settings):
        amount = purge(tier, selection, dry_run=dry_run)
        click.echo(f"{tier.name}: {amount} {'would be removed' if dry_run else 'removed'}")


@cache.command()
@settings_options
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", required=True, help="Id of a source of the configuration.")
@bbox_option
@zooms_option
@click.option("--format", default="png", show_default=True, help="png, jpg, webp, ...")
def export(config: Path | None, cache_dir: Path | None, out: Path, **wanted: object) -> None:
    """Write the cached tiles of a source to OUT.mbtiles or OUT.pmtiles.

    Tiles of the source's present version, as the plain URL gives them, on web mercator.
    """
    from tileserver.assembly import open_catalogue, open_tile_service
    from tileserver.offline.exporting import Export, export
    from tileserver.stores import open_store

    settings = settings_of(config, cache_dir)
    service = open_tile_service(open_catalogue(settings), open_store(settings.cache, behind=False))
    try:
        count = export(service, Export(**wanted), out)  # type: ignore[arg-type]  # from click
    finally:
        service.close()
    click.echo(f"{out}: {count:,} tiles")


def _tiers(settings: Settings) -> list[Store]:
    """The tiers that outlive a process."""
    from tileserver.stores import open_store

    tiers = [t for t in open_store(settings.cache, behind=False).tiers if t.name != "memory"]
    if not tiers:
        raise CommandError("the cache has no tier on a disk, in Redis or in an object store")
    return tiers


def _current(settings: Settings) -> Mapping[str, frozenset[str]]:
    from tileserver.assembly import open_catalogue
    from tileserver.tiles.versions import current_versions

    if not settings.sources:
        raise CommandError("--stale: name the configuration of the server")
    return current_versions(open_catalogue(settings))


def _area(grid: str, bbox: Bbox, zooms: tuple[int, ...] | None) -> dict[int, TileRange]:
    import morecantile

    from tileserver.grid import doubling_grids
    from tileserver.offline.area import tiles_of_bbox

    grids = doubling_grids(morecantile.tms)
    if grid not in grids:
        raise CommandError(f"{grid}: no tile matrix set of the server")
    found = grids[grid]
    deepest = int(found.tms.maxzoom)
    levels = range(int(found.tms.minzoom), deepest + 1) if zooms is None else zooms
    return {zoom: tiles_of_bbox(found, bbox, zoom) for zoom in levels if zoom <= deepest}
