"""What tiers hold, all of it: a command must not take a part for the whole."""

from __future__ import annotations

from collections.abc import Iterator

from cache import Entry, Store, StoreFailed, Tiered
from tileserver.errors import CommandError


def list_entries(store: Store | Tiered, prefix: str = "") -> Iterator[Entry]:
    """The values whose keys start with a prefix; raises CommandError if a tier does not answer."""
    try:
        yield from store.entries(prefix)
    except StoreFailed as error:
        raise CommandError(f"{error}; run the command again once it answers") from error
