"""What maps say of a source: whose imagery it is, and from which zoom on detail is synthesised."""

from __future__ import annotations

from tileserver.catalogue.layers import Layer, Source
from tileserver.tiles.request import Mode, TileOptions


def attribute(source: Source, layer: Layer, options: TileOptions) -> str | None:
    """The attribution of tiles with these options, in HTML; None where there is nothing to say.

    The zoom in it counts tiles of the options' size.
    """
    native = layer.native_zoom - (options.scale - 1)
    made = options.mode is Mode.super_resolved and layer.nearest is None
    note = f"detail past zoom {native} is synthesised"
    own = source.settings.attribution
    if not made or layer.max_zoom <= layer.native_zoom:
        return own
    return f"{own}; {note}" if own else f"{note[0].upper()}{note[1:]}"
