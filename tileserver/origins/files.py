"""The rasters of a folder, by the names of their files."""

from __future__ import annotations

from pathlib import Path

from tileserver.errors import StartupError

SUFFIXES = {".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".webp"}


def picture_files(place: Path) -> list[Path]:
    """A raster itself, or every raster below a folder, sorted; raises StartupError."""
    if not place.exists():
        raise StartupError(f"{place}: no such file or folder")
    if place.is_file():
        return [place]
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise StartupError(f"{place}: holds no picture")
    return files
