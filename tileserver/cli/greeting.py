"""What `overzoom serve` prints when it starts: where the sources are, and what draws them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from tileserver.catalogue.catalogue import Absent, Catalogue
from tileserver.settings.server import Settings
from tileserver.stores import tier_places

MOST_SOURCES = 12
"""More are counted: a screen has 24 lines."""


def greet(catalogue: Catalogue, url: str) -> Iterator[str]:
    """The lines; url: the server's, without a slash at the end."""
    settings = catalogue.settings
    yield f"Overzoom {version('overzoom')}: open {url}/ in a browser (Ctrl-C stops)"
    yield from _sources(catalogue, url)
    yield f"  checkpoint  {catalogue.checkpoint.name}"
    yield f"  device      {_device(settings)}"
    places = [f"{tier}: {place}" for tier, place in tier_places(settings.cache).items()]
    yield f"  cache       {', '.join(places) or 'memory'}"


def _device(settings: Settings) -> str:
    parts = [settings.device]
    if settings.workers > 1:
        parts.append(f"{settings.workers} workers")
    if settings.threads is not None:
        each = " each" if settings.workers > 1 else ""
        parts.append(f"{settings.threads} thread{'' if settings.threads == 1 else 's'}{each}")
    return ", ".join(parts)


def _sources(catalogue: Catalogue, url: str) -> Iterator[str]:
    configured = catalogue.configured()
    shown = configured[:MOST_SOURCES]
    width = max(len(source.id) for source in shown)
    for source in shown:
        if isinstance(source, Absent):
            where = "cannot be read at present, will be retried"  # why is in the log
        else:
            where = f"{url}/{source.id}/{{z}}/{{x}}/{{y}}.webp"
        yield f"  {source.id:<{width}}  {where}"
    if more := len(configured) - len(shown):
        yield f"  and {more:,} more: {url}/sources.json"
