"""Sidecars: files beside a raster that GDAL reads with it (.ovr, .msk, .aux.xml, world files).

Some may be added to any raster, and are looked for by their names. Others belong to a format of
several files (.hdr, .ige, .prj), and GDAL lists them once it has opened the raster.

Remote rasters have none (remote.py), nor do local ones that a listing names with remote ones.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from cache.key import fingerprint
from tileserver.errors import StartupError
from tileserver.origins.members import LocalFile, Signature, is_settled

PICTURES = (".ovr", ".msk", ".OVR", ".MSK")
"""Suffixes of sidecars that are rasters, which may have sidecars of their own."""
APPENDED = (*PICTURES, ".aux.xml", ".aux", ".AUX")
REPLACING = ("wld", "tab", "aux", "jpw")
"""Suffixes that replace the raster's, like the two derived from it: tif -> tfw, tifw."""


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The sidecars of a local raster; often none."""

    path: Path
    """The raster's."""
    listed: tuple[Path, ...] = ()
    """Files that GDAL has read with it, other than those that are looked for."""
    seen: list[tuple[Signature, tuple[Path, ...]]] = field(
        default_factory=list, compare=False, repr=False
    )
    """The last times of change of its folder, and the sidecars then."""
    remote = False

    def signature(self) -> Signature:
        return tuple((file.name, *LocalFile(file).signature()) for file in self._find())

    def last_signature(self) -> Signature:
        return self.signature()

    def settled(self) -> bool:
        return all(LocalFile(file).settled() for file in self._find())

    def digest(self) -> str:
        """Empty without sidecars."""
        there = self._find()
        stem = self.path.stem  # a copy under another name has the same digest
        known = [(file.name.removeprefix(stem), LocalFile(file).digest()) for file in there]
        return fingerprint(beside=known) if known else ""

    def with_files_of(self, dataset: rasterio.DatasetReader) -> Sidecars:
        """These, and all other files that the raster was read from as a dataset."""
        known = {self.path, *self._find()}
        files = (file for file in map(Path, dataset.files) if file.is_file())
        more = tuple(file for file in files if file not in known)
        return replace(self, listed=(*self.listed, *more)) if more else self

    def _find(self) -> tuple[Path, ...]:
        found = (*self._find_by_name(), *filter(_is_there, self.listed))
        return tuple(dict.fromkeys(found))

    def _find_by_name(self) -> tuple[Path, ...]:
        """Searched again only when the folder has changed, because every tile calls this."""
        state = self.path.parent.stat()
        changed = state.st_mtime_ns, state.st_ctime_ns  # who copies files may set back the first
        known = dict(self.seen).get(changed)
        if known is not None:
            return known
        settled = is_settled(state)  # before the search: what comes meanwhile changes the times
        there = tuple(find_sidecars(self.path))
        self.seen[:] = [(changed, there)] if settled else []
        return there


def find_sidecars(path: Path) -> Iterator[Path]:
    """The files that GDAL may read with a raster, tested by name since folders may be large."""
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


def check_sidecars(path: Path) -> None:
    """Raises StartupError if overviews or a mask beside a raster reference other files."""
    for file in find_sidecars(path):
        if file.suffix in PICTURES:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NotGeoreferencedWarning)
                    with rasterio.open(file, driver="GTiff") as dataset:
                        refers = names_overviews(dataset)
            except RasterioError as error:
                raise StartupError(f"{file}: not a TIFF, as overviews and masks are") from error
            if refers:
                raise StartupError(f"{file}: references another file")


def names_overviews(dataset: rasterio.DatasetReader) -> bool:
    """Whether a dataset's tags make GDAL read its overviews from another file or address."""
    return any(name.upper() == "OVERVIEW_FILE" for name in dataset.tags(ns="OVERVIEWS"))
