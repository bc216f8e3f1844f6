"""The rasters of a folder, found by their suffixes."""

from __future__ import annotations

import os
from pathlib import Path

from tileserver.errors import StartupError

SUFFIXES = {".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".webp"}


def is_picture(name: str) -> bool:
    """Whether a file of this name is a raster."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def picture_files(place: Path) -> list[Path]:
    """A file itself, or every raster below a folder, sorted; raises StartupError if none."""
    if not place.exists():
        raise StartupError(f"{place}: no such file or folder")
    if place.is_file():
        return [place]
    named = (f for f in place.rglob("*") if is_picture(f.name))
    files = sorted(f for f in named if not f.is_dir())
    if not files:
        raise StartupError(f"{place}: contains no raster")
    return files
