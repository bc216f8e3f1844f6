"""An origin: the address that GDAL opens for a raster, and the files behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import rasterio

from cache.key import fingerprint
from engine.window import Window
from tileserver.origins.members import LocalFile, Member, Signature
from tileserver.origins.sidecars import Sidecars, check_sidecars

VIRTUAL_OPTIONS = (("VRT_SHARED_SOURCE", "0"),)
"""GDAL's configuration for virtual rasters: every open raster has its own handles of the files that
it references, so it may move to another thread."""
SIDE_BY_SIDE = 8
"""Files opened or read concurrently: they share one disk or one network."""
FEW = 4
"""Fewer files are not worth threads."""

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Address:
    """What GDAL opens."""

    name: str
    """Its name in messages to the operator."""
    text: str
    """A path, GDAL's name of a remote file, or the text of a virtual raster."""
    driver: str | None = None
    """The only GDAL driver to open it with; None: any."""
    options: tuple[tuple[str, str], ...] = ()
    """GDAL's configuration options while it is opened and read."""

    def as_virtual(self, text: str) -> Address:
        """The address of a virtual raster of what is here, by its XML."""
        options = dict(VIRTUAL_OPTIONS) | dict(self.options)
        return replace(self, text=text, driver="VRT", options=tuple(options.items()))

    def environment(self) -> AbstractContextManager[object]:
        """Applies the options to this thread."""
        return rasterio.Env(**dict(self.options)) if self.options else nullcontext()


@dataclass(frozen=True, slots=True)
class Placed:
    """A raster of a mosaic: its place and its members."""

    window: Window
    """In the mosaic's pixels, as its address describes them."""
    members: range
    """Their numbers among the origin's."""


@dataclass(frozen=True, slots=True)
class Origin:
    """An address and the files that decide what is read there."""

    address: Address
    members: tuple[Member, ...]
    parts: tuple[Placed, ...] = ()
    """The rasters of a mosaic; they cover all members except those that list them."""
    joined: bool = False
    """Whether a virtual raster joins rasters: even a single one has other overviews there."""

    @property
    def remote(self) -> bool:
        """Whether its signature needs the network."""
        return any(member.remote for member in self.members)

    def signature(self) -> tuple[Signature, ...]:
        """The current signatures of all members; raises OSError if one is missing."""
        return tuple(member.signature() for member in self.members)

    @property
    def listing_numbers(self) -> range:
        """The numbers of the members that list the others."""
        return range(self.parts[0].members.start if self.parts else 0)

    def last_signature(self, numbers: Iterable[int] | None = None) -> tuple[Signature, ...]:
        """Signatures without network access: for remote members the last ones; raises OSError.

        numbers: of the members wanted; None: all.
        """
        members = self.members if numbers is None else [self.members[n] for n in numbers]
        return tuple(member.last_signature() for member in members)

    def settled(self) -> bool:
        """Whether any later change is sure to change the signature."""
        return all(member.settled() for member in self.members)

    def with_files_of(self, dataset: rasterio.DatasetReader) -> Origin:
        """This origin, or one with all other files that a local raster was read from."""
        if self.joined:
            return self  # each of its rasters has its own
        members = tuple(
            member.with_files_of(dataset) if isinstance(member, Sidecars) else member
            for member in self.members
        )
        return replace(self, members=members)

    def digest(self) -> str:
        """A digest of the members' content, in order; a single file's own digest."""
        digests = [digest for digest in in_threads(_digest, self.members) if digest]
        if self.joined:
            return fingerprint(joined=digests)
        return digests[0] if len(digests) == 1 else fingerprint(members=digests)


def join_origins(
    address: Address,
    listing: Sequence[Member],
    parts: Sequence[Origin],
    windows: Sequence[Window | None],
) -> Origin:
    """One origin for many rasters.

    listing: the files that list the rasters. windows: where each raster lies in the whole, None if
    unknown: then any change of any file is a change of the whole (no parts).
    """
    members, placed = [*listing], []
    for part, window in zip(parts, windows, strict=True):
        numbers = range(len(members), len(members) + len(part.members))
        members += part.members
        if window is not None:
            placed.append(Placed(window, numbers))
    known = tuple(placed) if len(placed) == len(parts) else ()
    return Origin(address, tuple(members), known, joined=True)


def _digest(member: Member) -> str:
    return member.digest()


def in_threads(work: Callable[[Item], Value], items: Sequence[Item]) -> list[Value]:
    """The results of work for many files, some concurrently; raises the first error."""
    if len(items) < FEW:
        return [work(item) for item in items]
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="opener") as threads:
        return list(threads.map(work, items))


def file_origin(path: Path) -> Origin:
    """A local file with its sidecars; raises StartupError."""
    check_sidecars(path)
    return Origin(Address(str(path), str(path)), (LocalFile(path), Sidecars(path)))
