"""What a client asks to see of a picture: a part of a tile's key.

Super-resolution draws every band in the source's own values; a rendering is applied afterwards, by
titiler's and rio-tiler's own functions (levels, colormaps).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rio_tiler.colormap import cmap as colour_maps

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is shown of a picture; the default shows colours by their first three bands."""

    indexes: tuple[int, ...] = ()
    """Band numbers of the source, from 1; none: the first three, or the first."""
    rescale: tuple[tuple[float, float], ...] = ()
    """Values shown as 0 and 255, one pair or one a band; none: the source's range."""
    colormap: str | None = None
    """The name of one of rio-tiler's, or its JSON."""
    color_formula: str | None = None
    return_mask: bool = True


PLAIN = Rendering()


def list_parameters(rendering: Rendering) -> list[tuple[str, str]]:
    """The query parameters that ask for a rendering, for the URL templates of a TileJSON."""
    query = [("bidx", str(index)) for index in rendering.indexes]
    query += [("rescale", f"{low:.17g},{high:.17g}") for low, high in rendering.rescale]
    if rendering.colormap:
        named = rendering.colormap in colour_maps.list()
        query.append(("colormap_name" if named else "colormap", rendering.colormap))
    if rendering.color_formula:
        query.append(("color_formula", rendering.color_formula))
    if not rendering.return_mask:
        query.append(("return_mask", "false"))
    return query
