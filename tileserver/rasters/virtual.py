"""Several rasters as one, through a virtual raster of GDAL: side by side, or band on band.

Everything downstream sees one dataset with overviews and a mask. Whoever opens it has handles of
the members of its own (shared="0"): a handle may then change threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, tostring

from affine import Affine
from rasterio.enums import ColorInterp

from engine.window import Window
from tileserver.errors import StartupError
from tileserver.origins.origin import VIRTUAL_OPTIONS, Address
from tileserver.origins.vrt import (
    add_band,
    add_colour,
    add_colour_table,
    add_file,
    add_fill,
    add_mask,
    add_masks,
    add_overviews,
    new_vrt,
    place_vrt,
)
from tileserver.rasters.palette import Palette
from tileserver.rasters.parts import Part

SMALLEST_OVERVIEW_PX = 256
SAME_PIXEL = 1e-4
"""Pixel sizes that differ by less, relatively, are one: over 10,000 pixels it is one pixel."""


class Joined(NamedTuple):
    """A virtual raster of several."""

    address: Address
    windows: list[Window]
    """Where each of them lies in it."""


def build_mosaic(name: str, parts: Sequence[Part], nearest: bool = False) -> Joined:
    """One raster of members on one pixel grid; the first that has data at a pixel shows it.

    Members off the first one's grid are moved by less than half a pixel. nearest: whether values
    are classes, as those of a colour table are. Raises StartupError for members that differ in
    anything but their place.
    """
    first = parts[0]
    for part in parts[1:]:
        _check_alike(name, first, part)
    step_x, step_y = first.transform.a, first.transform.e
    left = min(part.transform.c for part in parts)
    top = max(part.transform.f for part in parts)
    places = [
        Window(
            round((part.transform.f - top) / step_y),
            round((part.transform.c - left) / step_x),
            part.height,
            part.width,
        )
        for part in parts
    ]
    whole = places[0]
    for place in places[1:]:
        whole = whole.union(place)
    transform = Affine(step_x, 0, left, 0, step_y, top)
    nearest |= first.palette is not None
    root = _root(first, transform, whole, nearest)
    # Later sources are painted over earlier ones.
    painted = list(zip(parts, places, strict=True))[::-1]
    for number, colour in enumerate(first.colours, start=1):
        band = _band(root, number, first, colour, first.palette)
        for part, place in painted:
            add_file(band, part.file, str(part.indexes[number - 1]), place, masked=True)
    _add_mask(root, painted)
    return Joined(_address(name, root, parts), places)


def stack_bands(name: str, parts: Sequence[Part], nearest: bool = False) -> Joined:
    """One raster of all bands of members that cover the same pixels, in the order given.

    nearest: whether values are classes. Raises StartupError for members that differ.
    """
    first = parts[0]
    for part in parts:
        if part.palette is not None:
            raise StartupError(f"{part.origin.address.name}: has a colour table: serve it alone")
    for part in parts[1:]:
        same = first.transform.almost_equals(part.transform, precision=1e-6 * first.transform.a)
        if (part.crs_wkt, part.dtype) != (first.crs_wkt, first.dtype) or not same:
            raise StartupError(f"{name}: {part.origin.address.name} lies on another pixel grid")
        if (part.height, part.width) != (first.height, first.width):
            raise StartupError(f"{name}: {part.origin.address.name} has another size")
    whole = Window(0, 0, first.height, first.width)
    root = _root(first, first.transform, whole, nearest)
    bands = [(part, index) for part in parts for index in part.indexes]
    shown = [ColorInterp.red, ColorInterp.green, ColorInterp.blue] if len(bands) >= 3 else []
    for number, (part, index) in enumerate(bands, start=1):
        colour = shown[number - 1] if number <= len(shown) else ColorInterp.undefined
        band = _band(root, number, part, colour)
        add_file(band, part.file, str(index), whole, masked=True)
    _add_mask(root, [(part, whole) for part in parts])
    return Joined(_address(name, root, parts), [whole] * len(parts))


def crop(name: str, part: Part, window: Window) -> Address:
    """A part of one raster: a window of its pixels."""
    transform = part.transform * Affine.translation(window.col, window.row)
    root = _root(part, transform, window)
    place = Window(-window.row, -window.col, part.height, part.width)
    for number, (index, colour) in enumerate(zip(part.indexes, part.colours, strict=True), start=1):
        band = _band(root, number, part, colour)
        add_file(band, part.file, str(index), place, masked=True)
    _add_mask(root, [(part, place)])
    return _address(name, root, [part])


def _check_alike(name: str, first: Part, part: Part) -> None:
    one, other = first.origin.address.name, part.origin.address.name
    sizes = (first.transform.a / part.transform.a, first.transform.e / part.transform.e)
    for what, same in (
        ("coordinate reference system", first.crs_wkt == part.crs_wkt),
        ("data type", first.dtype == part.dtype),
        ("colour table", first.palette == part.palette),
        ("number of bands", len(first.indexes) == len(part.indexes)),
        ("pixel size", all(abs(ratio - 1) < SAME_PIXEL for ratio in sizes)),
    ):
        if not same:
            raise StartupError(f"{name}: {one} and {other} differ in their {what}")


def _root(part: Part, transform: Affine, whole: Window, nearest: bool = False) -> Element:
    root = new_vrt(whole.height, whole.width)
    place_vrt(root, transform, part.crs_wkt)
    factors, factor = [], 2
    while max(whole.height, whole.width) / factor >= SMALLEST_OVERVIEW_PX:
        factors.append(factor)
        factor *= 2
    add_overviews(root, factors, "nearest" if nearest else "average")
    return root


def _band(
    root: Element, number: int, part: Part, colour: ColorInterp, palette: Palette | None = None
) -> Element:
    band = add_band(root, number, part.dtype)
    if part.nodata is not None:  # a pixel may have data though some of its bands have none
        add_fill(band, part.nodata)
    add_colour(band, colour)
    if palette is not None:
        add_colour_table(band, palette.entries)
    return band


def _add_mask(root: Element, painted: Sequence[tuple[Part, Window]]) -> None:
    band = add_mask(root)
    for part, place in painted:
        add_masks(band, part.file, part.masks, place)


def _address(name: str, root: Element, parts: Sequence[Part]) -> Address:
    options = dict(VIRTUAL_OPTIONS)
    for part in parts:
        for key, value in part.origin.address.options:
            known = options.get(key)
            one_more = key == "CPL_VSIL_CURL_NON_CACHED" and known is not None
            options[key] = f"{known}:{value}" if one_more else value
    return Address(name, tostring(root, encoding="unicode"), "VRT", tuple(options.items()))
