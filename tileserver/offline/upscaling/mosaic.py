"""Joins the strips of a raster into a single file.

A virtual raster references the strips, and GDAL's drivers copy it by scanlines: the whole raster is
never in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element, SubElement, tostring

import rasterio.shutil
from rasterio.enums import ColorInterp

from engine.window import Window
from tileserver.offline.upscaling.compression import creation_options
from tileserver.offline.upscaling.description import BandDescription, Description
from tileserver.offline.upscaling.placement import Placement
from tileserver.offline.upscaling.strips import Strip
from tileserver.offline.upscaling.target import Target, remove_sidecars
from tileserver.offline.upscaling.whole_files import check_whole
from tileserver.origins.vrt import (
    VrtFile,
    add_band,
    add_colour,
    add_file,
    add_mask,
    add_tags,
    new_vrt,
    place_vrt,
)

MASK_VALUES = {0: 0, 1: 255}
"""Lookup table for the 8-bit mask: any value but 0 means data."""


def write_mosaic(
    target: Target, strips: Sequence[Strip], extent: Window, run: Mapping[str, str]
) -> None:
    """Write one file with its description's metadata and the provenance of the run.

    The file appears only when it is complete. Raises OSError, rasterio's errors and GDAL's own
    (CPLE_BaseError) where it cannot be written.
    """
    out, driver, described = target.path, target.driver, target.description
    virtual = target.parts / "mosaic.vrt"
    alpha = described.masked and driver == "PNG"
    virtual.write_bytes(tostring(_virtual(described, strips, extent, run, alpha)))
    partial = out.with_name(out.name + ".partial")
    options: dict[str, str] = {}
    if driver == "COG":
        options = creation_options(target.compression, target.quality, described.dtype)
        options |= {
            "OVERVIEW_RESAMPLING": "AVERAGE",  # overviews are 2x2 means, down to the data itself
            "BIGTIFF": "IF_SAFER",
        }
    try:
        with rasterio.Env(GDAL_PAM_ENABLED=driver == "PNG", GDAL_TIFF_INTERNAL_MASK=True):
            rasterio.shutil.copy(virtual, partial, driver=driver, **options)
        check_whole(partial)
        # A previous file never gets the new sidecar.
        out.unlink(missing_ok=True)
        remove_sidecars(out)
        remarks = partial.with_name(partial.name + ".aux.xml")
        if remarks.exists():  # which holds a PNG's georeferencing and tags
            remarks.replace(out.with_name(out.name + ".aux.xml"))
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
        remove_sidecars(partial)


def _virtual(
    described: Description,
    strips: Sequence[Strip],
    extent: Window,
    run: Mapping[str, str],
    alpha: bool,
) -> Element:
    """The virtual raster; alpha: whether the mask is a band of it."""
    root = new_vrt(extent.height, extent.width)
    _place(root, described.placement)
    for domain, tags in {"": {}, **described.tags}.items():
        add_tags(root, tags if domain else {**tags, **run}, domain)
    count = len(described.bands)
    for number, band in enumerate(described.bands, start=1):
        element = add_band(root, number, described.dtype)
        _describe(element, band, described.nodata)
        _add_strips(element, strips, extent, number)
    if alpha:
        element = add_band(root, count + 1, described.dtype)
        add_colour(element, ColorInterp.alpha)
        _add_strips(element, strips, extent, count + 1)
    elif described.masked:
        _add_strips(add_mask(root), strips, extent, count + 1, mask=True)
    return root


def _place(root: Element, placement: Placement) -> None:
    wkt = placement.crs.to_wkt() if placement.crs else None
    place_vrt(root, placement.transform, None if placement.points else wkt)
    if placement.points:
        points = SubElement(root, "GCPList", Projection=placement.crs.to_wkt())
        for point in placement.points:
            place = {"Pixel": point.col, "Line": point.row, "X": point.x, "Y": point.y}
            place["Z"] = point.z or 0.0
            attributes = {key: repr(float(value)) for key, value in place.items()}
            SubElement(points, "GCP", {"Id": point.id, "Info": point.info or "", **attributes})
    if placement.rpcs:
        add_tags(root, placement.rpcs, "RPC")


def _describe(element: Element, band: BandDescription, nodata: float | None) -> None:
    if band.name:
        SubElement(element, "Description").text = band.name
    if nodata is not None and band.colour is not ColorInterp.alpha:
        SubElement(element, "NoDataValue").text = repr(float(nodata))
    add_colour(element, band.colour)
    if band.unit:
        SubElement(element, "UnitType").text = band.unit
    if (band.scale, band.offset) != (1.0, 0.0):
        SubElement(element, "Offset").text = repr(float(band.offset))
        SubElement(element, "Scale").text = repr(float(band.scale))
    add_tags(element, band.tags)


def _add_strips(
    band: Element, strips: Sequence[Strip], extent: Window, source_band: int, mask: bool = False
) -> None:
    for strip in strips:
        window = strip.window
        place = replace(window, row=window.row - extent.row, col=window.col - extent.col)
        file = VrtFile(strip.path.name, window.height, window.width, relative=True)
        values = MASK_VALUES if mask else None
        add_file(band, file, str(source_band), place, values=values)
