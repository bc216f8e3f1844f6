"""The files beside a raster that GDAL reads with it: overviews, mask, statistics, its place.

Remote rasters have none (remote.py), nor have local ones that a listing names beside remote ones.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from cache.key import fingerprint
from tileserver.errors import StartupError
from tileserver.origins.members import SETTLED_SECONDS, LocalFile, Look

PICTURES = (".ovr", ".msk", ".OVR", ".MSK")
"""Rasters themselves, with files of their own beside them."""
APPENDED = (*PICTURES, ".aux.xml", ".aux", ".AUX")
REPLACING = ("wld", "tab", "aux", "jpw")
"""In place of a raster's suffix, like the two that are made of it: tif -> tfw, tifw."""


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What lies beside a raster on a disk of this machine; mostly nothing."""

    path: Path
    """The raster's."""
    seen: list[tuple[int, tuple[Path, ...]]] = field(
        default_factory=list, compare=False, repr=False
    )
    """When its folder had last changed, and what lay there."""
    remote = False

    def look(self) -> Look:
        return tuple((file.name, *LocalFile(file).look()) for file in self._there())

    def last_look(self) -> Look:
        return self.look()

    def settled(self) -> bool:
        return all(LocalFile(file).settled() for file in self._there())

    def digest(self) -> str:
        """Empty where there is nothing."""
        there = self._there()
        stem = len(self.path.stem)  # the same files under another name are the same
        known = [(file.name[stem:], LocalFile(file).digest()) for file in there]
        return fingerprint(beside=known) if known else ""

    def _there(self) -> tuple[Path, ...]:
        """Asked by name only after the folder has changed: a look is taken for every tile."""
        changed_ns = self.path.parent.stat().st_mtime_ns
        known = dict(self.seen).get(changed_ns)
        if known is not None:
            return known
        there = tuple(beside(self.path))
        settled = time.time_ns() - changed_ns > SETTLED_SECONDS * 1e9
        self.seen[:] = [(changed_ns, there)] if settled else []
        return there


def beside(path: Path) -> Iterator[Path]:
    """The files that GDAL may read with one; they are asked for by name: folders are large."""
    yield from filter(_is_there, _replaced(path))
    yield from _appended(path)


def _replaced(path: Path) -> list[Path]:
    suffix = path.suffix.removeprefix(".").lower()
    if not suffix:
        return []
    ends = dict.fromkeys((*REPLACING, f"{suffix[0]}{suffix[-1]}w", f"{suffix}w"))
    return [path.with_suffix(f".{case}") for end in ends for case in (end, end.upper())]


def _appended(path: Path) -> Iterator[Path]:
    for suffix in APPENDED:
        if _is_there(file := path.with_name(path.name + suffix)):
            yield file
            if suffix in PICTURES:
                yield from _appended(file)


def _is_there(path: Path) -> bool:
    return os.access(path, os.F_OK)  # a third of what it costs to catch stat's error


def check_beside(path: Path) -> None:
    """Raises StartupError where overviews or a mask beside a raster may be read from elsewhere."""
    for file in beside(path):
        if file.suffix in PICTURES:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NotGeoreferencedWarning)
                    with rasterio.open(file, driver="GTiff") as dataset:
                        refers = names_overviews(dataset)
            except RasterioError as error:
                raise StartupError(f"{file}: not a TIFF, as overviews and masks are") from error
            if refers:
                raise StartupError(f"{file}: names another file")


def names_overviews(dataset: rasterio.DatasetReader) -> bool:
    """Whether GDAL would take a dataset's overviews from any file, or address, that it names."""
    return any(name.upper() == "OVERVIEW_FILE" for name in dataset.tags(ns="OVERVIEWS"))
