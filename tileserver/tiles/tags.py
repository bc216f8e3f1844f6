"""The TIFF tags of a GeoTIFF: whose imagery it shows, and what of it is synthesised."""

from __future__ import annotations

import re
from html import unescape

from tileserver.catalogue.layers import Layer, Source
from tileserver.tiles.request import Mode, TileRequest


def write_tags(source: Source, layer: Layer, zoom: int, origin: str) -> dict[str, str]:
    """The tags of a picture of a source at a zoom; origin: as of a TileRequest."""
    about = f"{source.title}; zoom {zoom}"
    if origin != "native":
        kind = "synthesised detail" if origin == Mode.super_resolved else origin
        about += f"; {kind}: the imagery ends at zoom {layer.native_zoom}"
    credit = unescape(re.sub(r"<[^>]*>", "", source.settings.attribution or ""))
    return {
        "TIFFTAG_SOFTWARE": "Overzoom",
        "TIFFTAG_IMAGEDESCRIPTION": about,
        **({"TIFFTAG_COPYRIGHT": credit} if credit else {}),
    }


def tile_tags(request: TileRequest) -> dict[str, str]:
    """The tags of a tile."""
    return write_tags(request.source, request.layer, request.pixel_zoom, request.origin)
