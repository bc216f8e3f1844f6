"""What the links to tiles in OGC's documents have: a format, and parameters of the request."""

from __future__ import annotations

from inspect import signature
from urllib.parse import urlencode

from starlette.requests import Request

from tileserver.api.rendering_parameters import rendering_parameters
from tileserver.api.tile_parameters import picture_options
from tileserver.tiles.encoding import ImageFormat

FORMATS = (ImageFormat.png, ImageFormat.jpg, ImageFormat.webp)
"""What desktop clients draw; the first is their default."""
PICTURE_PARAMETERS = (
    signature(picture_options).parameters.keys() - {"rendering"}
    | signature(rendering_parameters).parameters.keys()
)
"""Those of what tiles show. Their format and size are the link's and the tile matrix set's."""
VERSION = "v"


def tile_query(request: Request) -> str:
    """The part of a request's query that tiles take, "?" included; may be empty. Without the key.

    Clients add parameters of their own to their question for a document; a tile refuses unknown
    ones.
    """
    given = request.query_params.multi_items()
    passed_on = [(k, v) for k, v in given if k == VERSION or k in PICTURE_PARAMETERS]
    return f"?{urlencode(passed_on)}" if passed_on else ""
