"""Which files a run of `overzoom upscale` reads and writes: one raster, or those of a folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tileserver.errors import StartupError
from tileserver.origins.files import SUFFIXES, picture_files


@dataclass(frozen=True, slots=True)
class Job:
    """A raster, and the files that are made of it."""

    source: Path
    out: Path
    uncertainty: Path | None


def list_jobs(source: Path, out: Path, uncertainty: Path | None) -> list[Job]:
    """One job for a raster, or one for every raster below a folder, written to the same subfolders.

    Raises StartupError for a folder without rasters, or whose results would not go to a folder.
    """
    if not source.is_dir():
        return [Job(source, out, uncertainty)]
    targets = [folder for folder in (out, uncertainty) if folder is not None]
    for folder in targets:
        if folder.is_file() or folder.suffix.lower() in SUFFIXES:
            raise StartupError(f"{folder}: {source} is a folder, so this must be one as well")
    made = [folder.resolve() for folder in targets if folder.resolve() != source.resolve()]
    files = [file for file in picture_files(source) if not _is_below(file, made)]
    if len({folder.resolve() for folder in (source, *targets)}) <= len(targets):
        raise StartupError(f"{out}: source, results and uncertainty must be different folders")
    places = [file.relative_to(source) for file in files]
    counts = Counter(place.with_suffix("") for place in places)
    jobs = []
    for file, place in zip(files, places, strict=True):
        name = place.stem if counts[place.with_suffix("")] == 1 else place.name
        to = place.with_name(f"{name}.tif")
        jobs.append(Job(file, out / to, uncertainty / to if uncertainty is not None else None))
    return jobs


def _is_below(file: Path, folders: list[Path]) -> bool:
    return any(file.resolve().is_relative_to(folder) for folder in folders)
