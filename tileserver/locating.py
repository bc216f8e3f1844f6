"""From a source's settings to its origin: what GDAL is to open, and which files to watch."""

from __future__ import annotations

from pathlib import Path

from tileserver.errors import StartupError
from tileserver.origin import Origin, file_origin
from tileserver.settings import SourceSettings


def locate(settings: SourceSettings) -> Origin:
    """The origin as the files are now; raises StartupError in one line, and OSError."""
    path = Path(settings.path)
    if path.suffix.lower() == ".vrt":
        raise StartupError(f"{path}: virtual rasters are not served; name a file")
    return file_origin(path)
