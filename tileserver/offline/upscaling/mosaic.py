"""Strips of one raster put together and written as a single file by GDAL.

The strips are named by a virtual raster, which GDAL's own drivers copy in scanlines: the whole
raster is never in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import rasterio.shutil
from rasterio.enums import ColorInterp

from engine.window import Window
from tileserver.offline.upscaling.description import BandDescription, Description
from tileserver.offline.upscaling.placement import Placement
from tileserver.offline.upscaling.strips import Strips
from tileserver.offline.upscaling.target import Target, remove_sidecars

_TYPES = {
    "uint8": "Byte",
    "uint16": "UInt16",
    "int16": "Int16",
    "float32": "Float32",
    "float64": "Float64",
}
_COLOURS = {
    ColorInterp.Y: "YCbCr_Y",
    ColorInterp.Cb: "YCbCr_Cb",
    ColorInterp.Cr: "YCbCr_Cr",
    ColorInterp.other_ir: "OtherIR",
}
"""GDAL's names where they are not, but for their case, rasterio's."""


def write_mosaic(target: Target, strips: Strips, extent: Window, run: Mapping[str, str]) -> None:
    """Write one file with all that its description says, and where it is from (run).

    It is in place only once it is complete. Raises rasterio's errors, and GDAL's own
    (CPLE_BaseError), where it cannot be written.
    """
    out, driver, described = target.path, target.driver, target.description
    virtual = target.parts / "mosaic.vrt"
    alpha = described.masked and driver == "PNG"
    virtual.write_bytes(tostring(_virtual(described, strips, extent, run, alpha)))
    partial = out.with_name(out.name + ".partial")
    options: dict[str, str] = {}
    if driver == "COG":
        predictor = "STANDARD" if np.dtype(described.dtype).kind in "ui" else "FLOATING_POINT"
        options = {
            "COMPRESS": "DEFLATE",
            "PREDICTOR": predictor,
            "OVERVIEW_RESAMPLING": "AVERAGE",  # overviews are 2x2 means, down to the data itself
            "BIGTIFF": "IF_SAFER",
        }
    try:
        with rasterio.Env(GDAL_PAM_ENABLED=driver == "PNG", GDAL_TIFF_INTERNAL_MASK=True):
            rasterio.shutil.copy(virtual, partial, driver=driver, **options)
        # A file that is not this one never has its remarks.
        out.unlink(missing_ok=True)
        remove_sidecars(out)
        remarks = partial.with_name(partial.name + ".aux.xml")
        if remarks.exists():  # where a PNG keeps its place on Earth and its tags
            remarks.replace(out.with_name(out.name + ".aux.xml"))
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
        remove_sidecars(partial)


def _virtual(
    described: Description,
    strips: Strips,
    extent: Window,
    run: Mapping[str, str],
    alpha: bool,
) -> Element:
    """The virtual raster; alpha: whether the mask is a band of it."""
    root = Element("VRTDataset", rasterXSize=str(extent.width), rasterYSize=str(extent.height))
    _place(root, described.placement)
    for domain, tags in {"": {}, **described.tags}.items():
        _add_tags(root, tags if domain else {**tags, **run}, domain)
    count = len(described.bands)
    for number, band in enumerate(described.bands, start=1):
        element = SubElement(
            root, "VRTRasterBand", dataType=_TYPES[described.dtype], band=str(number)
        )
        _describe(element, band, described.nodata)
        _add_strips(element, strips, number)
    if alpha:
        element = SubElement(
            root, "VRTRasterBand", dataType=_TYPES[described.dtype], band=str(count + 1)
        )
        SubElement(element, "ColorInterp").text = "alpha"
        _add_strips(element, strips, count + 1)
    elif described.masked:
        element = SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
        _add_strips(element, strips, count + 1, mask=True)
    return root


def _place(root: Element, placement: Placement) -> None:
    if placement.transform is not None:
        numbers = (repr(float(number)) for number in placement.transform.to_gdal())
        SubElement(root, "GeoTransform").text = ", ".join(numbers)
    if placement.points:
        points = SubElement(root, "GCPList", Projection=placement.crs.to_wkt())
        for point in placement.points:
            place = {"Pixel": point.col, "Line": point.row, "X": point.x, "Y": point.y}
            place["Z"] = point.z or 0.0
            attributes = {key: repr(float(value)) for key, value in place.items()}
            SubElement(points, "GCP", {"Id": point.id, "Info": point.info or "", **attributes})
    elif placement.crs:
        SubElement(root, "SRS").text = placement.crs.to_wkt()
    if placement.rpcs:
        _add_tags(root, placement.rpcs, "RPC")


def _add_tags(parent: Element, tags: Mapping[str, str], domain: str = "") -> None:
    if tags:
        element = SubElement(parent, "Metadata", {"domain": domain} if domain else {})
        for key, value in tags.items():
            SubElement(element, "MDI", key=key).text = value


def _describe(element: Element, band: BandDescription, nodata: float | None) -> None:
    colour = _COLOURS.get(band.colour, band.colour.name)
    if band.name:
        SubElement(element, "Description").text = band.name
    if nodata is not None and band.colour is not ColorInterp.alpha:
        SubElement(element, "NoDataValue").text = repr(float(nodata))
    SubElement(element, "ColorInterp").text = colour
    if band.unit:
        SubElement(element, "UnitType").text = band.unit
    if (band.scale, band.offset) != (1.0, 0.0):
        SubElement(element, "Offset").text = repr(float(band.offset))
        SubElement(element, "Scale").text = repr(float(band.scale))
    _add_tags(element, band.tags)


def _add_strips(band: Element, strips: Strips, source_band: int, mask: bool = False) -> None:
    for strip, path in strips:
        size = {"xSize": str(strip.width), "ySize": str(strip.height)}
        source = SubElement(band, "ComplexSource" if mask else "SimpleSource")
        SubElement(source, "SourceFilename", relativeToVRT="1").text = path.name
        SubElement(source, "SourceBand").text = str(source_band)
        SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
        place = {"xOff": str(strip.col), "yOff": str(strip.row)}
        SubElement(source, "DstRect", {**place, **size})
        if mask:
            # Any value that is not zero means data; the mask's own type is 8 bits.
            SubElement(source, "LUT").text = "0:0,1:255"
