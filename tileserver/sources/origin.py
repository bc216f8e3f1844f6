"""Where a raster comes from: what GDAL opens, and the files behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import rasterio

from cache.key import fingerprint
from tileserver.sources.members import LocalFile, Look, Member
from tileserver.sources.sidecars import Sidecars, check_beside

VIRTUAL_OPTIONS = (("VRT_SHARED_SOURCE", "0"),)
"""GDAL's configuration for virtual rasters: whoever opens one has handles of its own of what it
names, and may take them to another thread."""


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
class Origin:
    """An address and the files that decide what is read there."""

    address: Address
    members: tuple[Member, ...]

    @property
    def remote(self) -> bool:
        """Whether a look at it takes a network."""
        return any(member.remote for member in self.members)

    def signature(self) -> tuple[Look, ...]:
        """A fresh look at every member; raises OSError where one is not there."""
        return tuple(member.look() for member in self.members)

    def last_signature(self) -> tuple[Look, ...]:
        """The same without a network: of remote members the last look; raises OSError."""
        return tuple(member.last_look() for member in self.members)

    def settled(self) -> bool:
        """Whether any later change is sure to change the signature."""
        return all(member.settled() for member in self.members)

    def digest(self) -> str:
        """A digest of the members' content: a file's own, or of all in their order."""
        digests = list(self._digests())
        return digests[0] if len(digests) == 1 else fingerprint(*digests)

    def _digests(self) -> Iterator[str]:
        return (digest for member in self.members if (digest := member.digest()))


def file_origin(path: Path) -> Origin:
    """A file on a disk of this machine, with what lies beside it; raises StartupError."""
    check_beside(path)
    return Origin(Address(str(path), str(path)), (LocalFile(path), Sidecars(path)))
