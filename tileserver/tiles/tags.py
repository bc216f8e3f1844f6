"""The TIFF tags of a GeoTIFF: whose imagery it shows, and what of it is synthesised."""

from __future__ import annotations

import re
from html import unescape

from tileserver.tiles.request import Mode, TileRequest


def tile_tags(request: TileRequest) -> dict[str, str]:
    """The tags of a tile, and of a map that is put together from such tiles."""
    source, origin = request.source, request.origin
    about = f"{source.title}; zoom {request.pixel_zoom}"
    if origin != "native":
        kind = "synthesised detail" if origin == Mode.super_resolved else origin
        about += f"; {kind}: the imagery ends at zoom {request.layer.native_zoom}"
    credit = unescape(re.sub(r"<[^>]*>", "", source.settings.attribution or ""))
    return {
        "TIFFTAG_SOFTWARE": "Overzoom",
        "TIFFTAG_IMAGEDESCRIPTION": about,
        **({"TIFFTAG_COPYRIGHT": credit} if credit else {}),
    }
