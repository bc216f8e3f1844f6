"""Strips of one raster put together and written as a single file by GDAL.

The strips are named by a virtual raster, which GDAL's own drivers copy in scanlines: the whole
raster is never in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import rasterio.shutil
from affine import Affine
from rasterio.enums import ColorInterp

from engine.window import Window
from tileserver.sources.raster import Raster

_TYPES = {
    "uint8": "Byte",
    "uint16": "UInt16",
    "int16": "Int16",
    "float32": "Float32",
    "float64": "Float64",
}


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Strips that cover an extent; the band after the last is alpha."""

    extent: Window
    strips: tuple[tuple[Window, Path], ...]
    count: int
    dtype: str


def write_mosaic(
    mosaic: Mosaic,
    out: Path,
    driver: str,
    raster: Raster,
    transform: Affine | None,
    tags: dict[str, str],
) -> None:
    """Write one file with the source's CRS, a mask where the source has one, and tags.

    Raises rasterio's errors, and GDAL's own (CPLE_BaseError), where it cannot be written.
    """
    masked = raster.masked
    alpha = masked and driver == "PNG"
    virtual = mosaic.strips[0][1].with_name("mosaic.vrt")
    virtual.write_text(_virtual(mosaic, raster, transform, tags, masked, alpha), "utf-8")
    partial = out.with_name(out.name + ".partial")
    options: dict[str, str] = {}
    if driver == "COG":
        predictor = "STANDARD" if np.dtype(mosaic.dtype).kind in "ui" else "FLOATING_POINT"
        options = {
            "COMPRESS": "DEFLATE",
            "PREDICTOR": predictor,
            "OVERVIEW_RESAMPLING": "AVERAGE",  # overviews are 2x2 means, down to the data itself
            "BIGTIFF": "IF_SAFER",
        }
    with rasterio.Env(GDAL_PAM_ENABLED=driver == "PNG", GDAL_TIFF_INTERNAL_MASK=True):
        rasterio.shutil.copy(virtual, partial, driver=driver, **options)
    partial.replace(out)
    remarks = partial.with_name(partial.name + ".aux.xml")
    if remarks.exists():  # where a PNG keeps its place on Earth and its tags
        remarks.replace(out.with_name(out.name + ".aux.xml"))


def _virtual(
    mosaic: Mosaic,
    raster: Raster,
    transform: Affine | None,
    tags: dict[str, str],
    masked: bool,
    alpha: bool,
) -> str:
    """The virtual raster's XML."""
    size = f'rasterXSize="{mosaic.extent.width}" rasterYSize="{mosaic.extent.height}"'
    lines = [f"<VRTDataset {size}>"]
    if raster.crs:
        lines.append(f"<SRS>{escape(raster.crs.to_wkt())}</SRS>")
    if transform is not None:
        numbers = ", ".join(repr(float(number)) for number in transform.to_gdal())
        lines.append(f"<GeoTransform>{numbers}</GeoTransform>")
    lines.append("<Metadata>")
    lines += [f"<MDI key={quoteattr(k)}>{escape(v)}</MDI>" for k, v in tags.items()]
    lines.append("</Metadata>")
    colours = _colours(mosaic.count, raster)
    for band in range(1, mosaic.count + 1):
        lines += _band(mosaic, f'band="{band}"', band, mosaic.dtype, colours[band - 1])
    if alpha:
        lines += _band(
            mosaic, f'band="{mosaic.count + 1}"', mosaic.count + 1, mosaic.dtype, "Alpha"
        )
    elif masked:
        lines += ["<MaskBand>", *_band(mosaic, "", mosaic.count + 1, "uint8", None), "</MaskBand>"]
    lines.append("</VRTDataset>")
    return "\n".join(lines)


def _colours(count: int, raster: Raster) -> list[str | None]:
    if count != len(raster.indexes):
        return ["Gray"] * count
    names = {ColorInterp.red: "Red", ColorInterp.green: "Green", ColorInterp.blue: "Blue"}
    names[ColorInterp.gray] = "Gray"
    return [names.get(colour) for colour in raster.colours]


def _band(mosaic: Mosaic, place: str, source: int, dtype: str, colour: str | None) -> list[str]:
    lines = [f'<VRTRasterBand dataType="{_TYPES[dtype]}" {place}>']
    if colour is not None:
        lines.append(f"<ColorInterp>{colour}</ColorInterp>")
    for strip, path in mosaic.strips:
        size = f'xSize="{strip.width}" ySize="{strip.height}"'
        lines += [
            "<ComplexSource>" if dtype != mosaic.dtype else "<SimpleSource>",
            f'<SourceFilename relativeToVRT="1">{escape(path.name)}</SourceFilename>',
            f"<SourceBand>{source}</SourceBand>",
            f'<SrcRect xOff="0" yOff="0" {size}/>',
            f'<DstRect xOff="{strip.col}" yOff="{strip.row}" {size}/>',
        ]
        if dtype != mosaic.dtype:
            # Any alpha that is not zero means data; the mask's own type is 8 bits.
            lines.append("<LUT>0:0,1:255</LUT></ComplexSource>")
        else:
            lines.append("</SimpleSource>")
    return [*lines, "</VRTRasterBand>"]
