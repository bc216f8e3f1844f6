"""Writes GDAL's virtual rasters (VRT), element by element.

https://gdal.org/en/stable/drivers/raster/vrt.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from affine import Affine
from rasterio.enums import ColorInterp

from engine.window import Window

DATA_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
"""GDAL's names of data types, by NumPy's."""
_COLOURS = {
    ColorInterp.Y: "YCbCr_Y",
    ColorInterp.Cb: "YCbCr_Cb",
    ColorInterp.Cr: "YCbCr_Cr",
    ColorInterp.other_ir: "OtherIR",
}
"""GDAL's names of colours that differ from rasterio's by more than case."""


@dataclass(frozen=True, slots=True)
class VrtFile:
    """A raster that a virtual one references."""

    name: str
    """Its path or address, or the XML of another virtual raster."""
    height: int
    width: int
    relative: bool = False
    """Whether the name is relative to the virtual raster's file."""
    dtype: str | None = None
    block: tuple[int, int] | None = None
    """Height and width; with dtype, GDAL opens the file only when its pixels are read."""


def new_vrt(height: int, width: int) -> Element:
    """The root element of a virtual raster."""
    return Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))


def place_vrt(root: Element, transform: Affine | None, crs_wkt: str | None) -> None:
    """Set its transform and CRS."""
    if crs_wkt:
        SubElement(root, "SRS").text = crs_wkt
    if transform is not None:
        numbers = (repr(float(number)) for number in transform.to_gdal())
        SubElement(root, "GeoTransform").text = ", ".join(numbers)


def add_overviews(root: Element, factors: Iterable[int], resampling: str = "average") -> None:
    """Add overviews that GDAL derives from the files' own when they are read."""
    listed = " ".join(map(str, factors))
    if listed:
        SubElement(root, "OverviewList", resampling=resampling).text = listed


def add_band(root: Element, number: int, dtype: str) -> Element:
    """Add an empty band."""
    return SubElement(root, "VRTRasterBand", dataType=DATA_TYPES[dtype], band=str(number))


def add_colour(band: Element, colour: ColorInterp) -> None:
    """Set a band's colour interpretation."""
    name = _COLOURS.get(colour, colour.name.capitalize())
    SubElement(band, "ColorInterp").text = name


def add_fill(band: Element, value: float) -> None:
    """Set the value of pixels that no file fills; it says nothing of where there is data."""
    SubElement(band, "NoDataValue").text = repr(value)
    SubElement(band, "HideNoDataValue").text = "1"


def add_colour_table(band: Element, entries: Iterable[Sequence[int]]) -> None:
    """Set the colours of a band's values from 0 up: red, green, blue, alpha, each 0 to 255."""
    table = SubElement(band, "ColorTable")
    for entry in entries:
        SubElement(table, "Entry", {f"c{i}": str(v) for i, v in enumerate(entry, start=1)})


def add_mask(root: Element) -> Element:
    """Add the mask band: 255 where there is data, else 0."""
    return SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")


def add_tags(parent: Element, tags: Mapping[str, str], domain: str = "") -> None:
    """Add metadata to a raster or a band."""
    if tags:
        element = SubElement(parent, "Metadata", {"domain": domain} if domain else {})
        for key, value in tags.items():
            SubElement(element, "MDI", key=key).text = value


def add_masks(mask: Element, file: VrtFile, bands: Iterable[int], place: Window) -> None:
    """Set a mask band where the mask of any of a file's bands is set."""
    for band in bands:
        add_file(mask, file, f"mask,{band}", place, masked=True)


def add_file(
    band: Element,
    file: VrtFile,
    source_band: str,
    place: Window,
    *,
    masked: bool = False,
    values: Mapping[int, int] | None = None,
) -> None:
    """Map a file's band into a part of a virtual band; later files cover earlier ones.

    place: its window in the virtual raster. masked: whether only its valid pixels (by its own mask)
    are used. values: a table that replaces its values.
    """
    kind = "ComplexSource" if masked or values else "SimpleSource"
    source = SubElement(band, kind)
    shared = {} if file.relative else {"shared": "0"}
    name = {"relativeToVRT": str(int(file.relative)), **shared}
    SubElement(source, "SourceFilename", name).text = file.name
    SubElement(source, "SourceBand").text = source_band
    size = {"xSize": str(file.width), "ySize": str(file.height)}
    if file.dtype is not None and file.block is not None:
        SubElement(
            source,
            "SourceProperties",
            RasterXSize=str(file.width),
            RasterYSize=str(file.height),
            DataType=DATA_TYPES[file.dtype],
            BlockXSize=str(file.block[1]),
            BlockYSize=str(file.block[0]),
        )
    SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
    SubElement(source, "DstRect", {"xOff": str(place.col), "yOff": str(place.row), **size})
    if masked:
        SubElement(source, "UseMaskBand").text = "true"
    if values:
        SubElement(source, "LUT").text = ",".join(f"{a}:{b}" for a, b in values.items())
