"""Checks a configuration: lists its problems and describes its sources."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tileserver.assembly import open_catalogue
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.description import describe
from tileserver.catalogue.layers import Source
from tileserver.errors import InvalidSettings, OverzoomError, StartupError
from tileserver.rasters.ground import metres
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings
from tileserver.stores import open_store


def check(config: Path, *, sources: bool = True) -> Iterator[tuple[bool, str]]:
    """Check a configuration: (fine, one line) for every finding.

    sources: whether to open them.
    """
    try:
        settings = read_settings(config, {})
    except InvalidSettings as error:
        yield from ((False, reason) for reason in error.reasons)
        return
    except StartupError as error:
        yield False, str(error)
        return
    for problem in (*_unknown_ids(settings), *_cache_problems(settings)):
        yield False, f"{config}: {problem}"
    if sources:
        yield from _check_sources(settings)


def _unknown_ids(settings: Settings) -> Iterator[str]:
    """References to sources that do not exist, which would silently grant or deny access."""
    access = settings.access
    named: dict[str, tuple[str | None, ...]] = {"access.public": access.public}
    for id, source in settings.sources.items():
        named[f"sources.{id}.reference"] = (source.reference,)
    for name, key in access.keys.items():
        named[f"access.keys.{name}.sources"] = key.sources
    for place, ids in named.items():
        for named_id in ids:
            if named_id not in (None, "*", *settings.sources):
                yield f"{place}: there is no source {named_id!r}"
    if not settings.sources:
        yield "sources: none configured"


def _cache_problems(settings: Settings) -> Iterator[str]:
    """What the cache's tiers lack; whether a Redis or an object store answers is not asked."""
    cache = settings.cache
    if cache.disk_bytes > 0:
        folder = cache.disk_folder().absolute()
        if not _can_be_made(folder):
            yield f"cache.folder: {folder} is not writable"
    for url in ("redis_url", "object_store_url"):
        elsewhere = {"redis_url": None, "object_store_url": None, url: getattr(cache, url)}
        try:
            open_store(cache.model_copy(update={"disk_bytes": 0, **elsewhere})).close()
        except StartupError as error:
            yield str(error)


def _can_be_made(folder: Path) -> bool:
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    except OSError:  # no permission on the way, or a name that is too long
        return False


def _check_sources(settings: Settings) -> Iterator[tuple[bool, str]]:
    try:
        catalogue = open_catalogue(settings)
    except OverzoomError:
        yield from _check_one_by_one(settings)
        return
    with closing(catalogue):
        for source in catalogue.sources():
            yield True, _served(catalogue, source)


def _check_one_by_one(settings: Settings) -> Iterator[tuple[bool, str]]:
    try:
        open_catalogue(settings.model_copy(update={"sources": {}})).close()
    except OverzoomError as error:
        yield False, str(error)
        return
    for id, source in settings.sources.items():
        try:
            catalogue = open_catalogue(settings.model_copy(update={"sources": {id: source}}))
        except OverzoomError as error:
            yield False, f"sources.{id}: {error}"
        else:
            with closing(catalogue):
                yield True, _served(catalogue, catalogue[id])


def _served(catalogue: Catalogue, source: Source) -> str:
    found = describe(catalogue, source)
    what = "{id}: {width} x {height} px, {bands} bands of {dtype}, ".format_map(found)
    if found["served_zooms"] is None:
        return what + "beyond web mercator"
    how = " by nearest neighbour" if source.raster.nearest else ""
    sizes, deepest = found["pixel_metres"], found["served_zooms"][1]
    served = (
        f"imagery {metres(sizes['imagery'])} to zoom {found['native_zoom']}, "
        f"served to {deepest} ({metres(sizes['finest'])})"
    )
    return f"{what}{served}{how}"
