"""`overzoom cache`: what is kept, what goes, what is taken along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tileserver.cli.environment import resume_garbage_collection
from tileserver.cli.examples import examples
from tileserver.cli.options import bbox_option, settings_of, settings_options, zooms_option
from tileserver.cli.selection import drawing_options, only_named
from tileserver.errors import CommandError

if TYPE_CHECKING:
    from cache import Store
    from tileserver.offline.area import Bbox, TileRange
    from tileserver.settings.server import Settings


@click.group()
def cache() -> None:
    """Inspect the cache, remove tiles, or export them.

    All tiers that outlive a server: disk, Redis, object store. What a running server has in its
    memory stays there until it is evicted.
    """


@cache.command(
    epilog=examples(
        "overzoom cache stats",
        "overzoom cache stats --cache-dir cache",
        "overzoom cache stats --config overzoom.yaml",
    )
)
@settings_options
def stats(config: Path | None, cache_dir: Path | None) -> None:
    """Print where every tier is, and what it holds by source and zoom."""
    from tileserver.offline.purging import Amount, sum_amounts
    from tileserver.stores import open_for_commands, tier_places

    settings = settings_of(config, cache_dir)
    places = tier_places(settings.cache)

    def report(tier: Store) -> None:
        found = sum_amounts(tier)
        total = Amount(
            sum(amount.tiles for amount in found.values()),
            sum(amount.size_bytes for amount in found.values()),
        )
        click.echo(f"{tier.name} ({places[tier.name]}): {total}")
        for (source, zoom), amount in found.items():
            place = source if zoom < 0 else f"{source} zoom {zoom}"
            click.echo(f"  {place}: {amount}")

    _run_on_each(open_for_commands(settings.cache), report)


@cache.command(
    epilog=examples(
        "overzoom cache purge --source scene --dry-run",
        "overzoom cache purge --cache-dir cache --zooms 20-22 --grid WebMercatorQuad",
        "overzoom cache purge --bbox -110.65,44.95,-110.64,44.96",
        "overzoom cache purge --config overzoom.yaml --stale",
        "overzoom cache purge --all",
    )
)
@settings_options
@click.option("--source", help="Only tiles of this source.")
@bbox_option
@zooms_option
@click.option("--grid", help="Only this tile matrix set.  [with --bbox: WebMercatorQuad]")
@click.option(
    "--stale",
    is_flag=True,
    help="Only tiles that no longer match --config (changed sources, other checkpoints).",
)
@click.option("--all", "everything", is_flag=True, help="All tiles.")
@click.option("--dry-run", is_flag=True, help="Only report what would be removed.")
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
    from tileserver.stores import open_for_commands

    chosen = source or bbox or zooms or grid or stale
    if bool(chosen) == everything:
        raise click.UsageError(
            "say what to purge: --source, --bbox, --zooms, --grid, --stale, or --all"
        )
    resume_garbage_collection()
    settings = settings_of(config, cache_dir)
    grid = grid or ("WebMercatorQuad" if bbox else None)
    selection = Selection(
        source,
        grid,
        None if zooms is None else frozenset(zooms),
        {} if bbox is None or grid is None else _area(grid, bbox, zooms),
        _current(settings) if stale else None,
    )

    def remove(tier: Store) -> None:
        amount = purge(tier, selection, dry_run=dry_run)
        click.echo(f"{tier.name}: {amount} {'would be removed' if dry_run else 'removed'}")

    _run_on_each(open_for_commands(settings.cache), remove)


@cache.command(
    epilog=examples(
        "overzoom cache export scene.mbtiles --source scene.tif --cache-dir cache",
        "overzoom cache export folder.pmtiles --source folder/ --mosaic --checkpoint compact "
        "--device cpu",
        "overzoom cache export scene.pmtiles --source scene --config overzoom.yaml --format webp "
        "--zooms 19-20 --bbox -110.64421,44.95660,-110.64406,44.95670",
    )
)
@settings_options
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", required=True, help="A raster, a folder with --mosaic, or an id.")
@bbox_option
@zooms_option
@click.option("--format", default="png", show_default=True, help="png, jpg, webp, ...")
@drawing_options
def export(
    out: Path,
    source: str,
    bbox: Bbox | None,
    zooms: tuple[int, ...] | None,
    format: str,
    config: Path | None,
    mosaic: bool,
    **options: Any,
) -> None:
    """Write the cached tiles of a source to OUT.mbtiles or OUT.pmtiles.

    Tiles of the source's current version without query parameters, on web mercator. Cached PNGs
    are converted to the requested format. Pass the --checkpoint and the other options that the
    tiles were made with.
    """
    settings = only_named(config, [source], mosaic=mosaic, **options)
    if len(settings.sources) > 1:
        raise CommandError(
            f"{source}: contains {len(settings.sources)} rasters, but an archive is of one source: "
            "name one of them, or --mosaic where they are served so"
        )
    from cache import Tiered
    from tileserver.assembly import open_catalogue
    from tileserver.offline.exporting import Export, export
    from tileserver.stores import open_for_commands

    resume_garbage_collection()
    (id,) = settings.sources
    store = Tiered(open_for_commands(settings.cache))
    with closing(open_catalogue(settings)) as catalogue, closing(store):
        exported = export(catalogue, store, Export(id, format, bbox, zooms), out)
    click.echo(f"{out}: {exported.written:,} tiles")
    if exported.skipped:
        click.echo(
            f"overzoom: {exported.skipped:,} more were listed, but are evicted, expired or corrupt",
            err=True,
        )


def _run_on_each(tiers: list[Store], work: Callable[[Store], None]) -> None:
    """Do the work on all tiers, also where one fails; raises CommandError in the end."""
    failures = []
    for tier in tiers:
        try:
            work(tier)
        except CommandError as error:
            failures.append(str(error))
    if failures:
        raise CommandError("\noverzoom: ".join(failures))


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
        raise CommandError(f"{grid}: unknown tile matrix set")
    found = grids[grid]
    deepest = int(found.tms.maxzoom)
    levels = range(int(found.tms.minzoom), deepest + 1) if zooms is None else zooms
    return {zoom: tiles_of_bbox(found, bbox, zoom) for zoom in levels if zoom <= deepest}
