"""Statistics of the cache by source and zoom, and removal of selected tiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cache import Entry, Store, TileKey
from tileserver.errors import CommandError
from tileserver.offline.area import TileRange
from tileserver.offline.listing import list_entries
from tileserver.tiles.versions import version_of

OTHER = "(other)"
"""The source id under which entries that are not tiles are counted."""


@dataclass(slots=True)
class Amount:
    """A number of tiles and their bytes."""

    tiles: int = 0
    size_bytes: int = 0

    def add(self, entry: Entry) -> None:
        self.tiles += 1
        self.size_bytes += entry.size_bytes

    def __str__(self) -> str:
        return f"{self.tiles:,} tiles, {self.size_bytes / 1e6:,.1f} MB"


@dataclass(frozen=True)
class Selection:
    """A filter of tiles; a field that is None does not restrict it, and one of none holds all."""

    source: str | None = None
    grid: str | None = None
    zooms: frozenset[int] | None = None
    area: Mapping[int, TileRange] = field(default_factory=dict)
    """Tiles by zoom that intersect a box; empty without a box."""
    current: Mapping[str, frozenset[str]] | None = None
    """Current versions by source id: tiles of these are not selected."""

    def holds(self, key: TileKey) -> bool:
        """Whether a tile is selected."""
        return (
            self.source in (None, key.source)
            and self.grid in (None, key.grid)
            and (self.zooms is None or key.zoom in self.zooms)
            and (not self.area or self._shows(key))
            and (self.current is None or not self._is_current(key))
        )

    def _shows(self, key: TileKey) -> bool:
        return key.zoom in self.area and self.area[key.zoom].holds(key.col, key.row)

    def _is_current(self, key: TileKey) -> bool:
        versions = (self.current or {}).get(key.source, frozenset())
        return version_of(key.fingerprint) in versions


def select_entries(store: Store, selection: Selection) -> Iterator[Entry]:
    """The selected entries of a tier; raises CommandError if it does not answer.

    What is no tile is selected with everything alone, and only where nothing else may lie beside
    ours: a bucket or a Redis without a prefix may hold what belongs to others.
    """
    prefix = "" if selection.source is None else f"{selection.source}/"
    others = store.exclusive and selection == Selection()
    for entry in list_entries(store, prefix):
        key = TileKey.parse(entry.key)
        if others if key is None else selection.holds(key):
            yield entry


def purge(store: Store, selection: Selection, *, dry_run: bool = False) -> Amount:
    """Remove the selected tiles of a tier, or only count them; raises CommandError if it fails."""
    amount = Amount()
    try:
        for entry in select_entries(store, selection):
            if not dry_run and not store.remove(entry.key):
                raise CommandError(f"{store.name}: {entry.key} stays; run the command again")
            amount.add(entry)
    except CommandError as error:
        if dry_run:
            raise
        raise CommandError(f"{error} ({amount} were removed before)") from error
    return amount


def sum_amounts(store: Store) -> dict[tuple[str, int], Amount]:
    """The content of a tier by source id and zoom; zoom -1 for entries that are not tiles.

    Raises CommandError if it does not answer.
    """
    found: dict[tuple[str, int], Amount] = defaultdict(Amount)
    for entry in list_entries(store):
        key = TileKey.parse(entry.key)
        found[(OTHER, -1) if key is None else (key.source, key.zoom)].add(entry)
    return dict(sorted(found.items()))
