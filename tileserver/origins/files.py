"""The rasters of a folder, found by their suffixes."""

from __future__ import annotations

from pathlib import Path

from tileserver.errors import StartupError

SUFFIXES = {".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".webp"}


def picture_files(place: Path) -> list[Path]:
    """A file itself, or every raster below a folder, sorted; raises StartupError if none."""
    if not place.exists():
        raise StartupError(f"{place}: no such file or folder")
    if place.is_file():
        return [place]
    named = (f for f in place.rglob("*") if f.suffix.lower() in SUFFIXES)
    files = sorted(f for f in named if not f.is_dir())
    if not files:
        raise StartupError(f"{place}: contains no raster")
    return files
