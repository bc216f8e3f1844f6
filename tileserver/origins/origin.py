"""Where a raster comes from: what GDAL opens, and the files behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import rasterio

from cache.key import fingerprint
from tileserver.origins.members import LocalFile, Look, Member
from tileserver.origins.sidecars import Sidecars, check_beside

VIRTUAL_OPTIONS = (("VRT_SHARED_SOURCE", "0"),)
"""GDAL's configuration for virtual rasters: whoever opens one has handles of its own of what it
names, and may take them to another thread."""
SIDE_BY_SIDE = 8
"""Files that are opened or read at a time: they lie on one disk, or behind one network."""
FEW = 4
"""Fewer are not worth the threads."""

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""
Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Address:
    """What GDAL opens."""

    name: str
    """What messages to the operator call it."""
    text: str
    """A path, GDAL's name of a remote file, or the text of a virtual raster."""
    driver: str | None = None
    """The only driver to open it with; None: the one that knows it."""
    options: tuple[tuple[str, str], ...] = ()
    """GDAL's configuration while it is opened and read."""

    def environment(self) -> AbstractContextManager[object]:
        """The options, in force for this thread."""
        return rasterio.Env(**dict(self.options)) if self.options else nullcontext()


@dataclass(frozen=True, slots=True)
class Placed:
    """A raster of a mosaic: where it lies, and which members it consists of."""

    bounds: Bounds
    """In the mosaic's CRS."""
    members: range
    """Their numbers among the origin's."""


@dataclass(frozen=True, slots=True)
class Origin:
    """An address and the files that decide what is read there."""

    address: Address
    members: tuple[Member, ...]
    parts: tuple[Placed, ...] = ()
    """The rasters of a mosaic, by which every member is known but those that list them."""

    @property
    def remote(self) -> bool:
        """Whether a look at it takes a network."""
        return any(member.remote for member in self.members)

    def signature(self) -> tuple[Look, ...]:
        """A fresh look at every member; raises OSError where one is not there."""
        return tuple(member.look() for member in self.members)

    @property
    def listing(self) -> range:
        """The numbers of the members that only say which others there are."""
        return range(self.parts[0].members.start if self.parts else 0)

    def last_looks(self, numbers: Iterable[int] | None = None) -> tuple[Look, ...]:
        """The same without a network: of remote members the last look; raises OSError.

        numbers: of the members that are looked at; None: all.
        """
        members = self.members if numbers is None else [self.members[n] for n in numbers]
        return tuple(member.last_look() for member in members)

    def settled(self) -> bool:
        """Whether any later change is sure to change the signature."""
        return all(member.settled() for member in self.members)

    def digest(self) -> str:
        """A digest of the members' content: a file's own, or of all in their order."""
        digests = [digest for digest in in_threads(_digest, self.members) if digest]
        return digests[0] if len(digests) == 1 else fingerprint(members=digests)


def joined(
    address: Address,
    listing: Sequence[Member],
    parts: Sequence[Origin],
    bounds: Sequence[Bounds | None],
) -> Origin:
    """One raster of many; bounds: of each in the CRS, None where any may lie anywhere."""
    members, placed = [*listing], []
    for part, place in zip(parts, bounds, strict=True):
        numbers = range(len(members), len(members) + len(part.members))
        members += part.members
        if place is not None:
            placed.append(Placed(place, numbers))
    return Origin(address, tuple(members), tuple(placed) if len(placed) == len(parts) else ())


def _digest(member: Member) -> str:
    return member.digest()


def in_threads(work: Callable[[Item], Value], items: Sequence[Item]) -> list[Value]:
    """What work gives for each of many files, some at a time; raises what the first one raises."""
    if len(items) < FEW:
        return [work(item) for item in items]
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="opener") as threads:
        return list(threads.map(work, items))


def file_origin(path: Path) -> Origin:
    """A file on a disk of this machine, with what lies beside it; raises StartupError."""
    check_beside(path)
    return Origin(Address(str(path), str(path)), (LocalFile(path), Sidecars(path)))
