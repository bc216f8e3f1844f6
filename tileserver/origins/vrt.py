"""Writing GDAL's virtual rasters (VRT), element by element.

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
"""GDAL's names of the data types that rasters may have."""
_COLOURS = {
    ColorInterp.Y: "YCbCr_Y",
    ColorInterp.Cb: "YCbCr_Cb",
    ColorInterp.Cr: "YCbCr_Cr",
    ColorInterp.other_ir: "OtherIR",
}
"""GDAL's names where they are not, but for their case, rasterio's."""


@dataclass(frozen=True, slots=True)
class VrtFile:
    """A raster that a virtual one shows."""

    name: str
    """Its path or address, or the document of another virtual raster."""
    height: int
    width: int
    relative: bool = False
    """Whether the name is relative to the virtual raster's own file."""
    dtype: str | None = None
    block: tuple[int, int] | None = None
    """With these two GDAL opens it only when its pixels are read."""


def new_vrt(height: int, width: int) -> Element:
    """The root of a virtual raster."""
    return Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))


def place_vrt(root: Element, transform: Affine | None, crs_wkt: str | None) -> None:
    """Say where its pixels lie."""
    if crs_wkt:
        SubElement(root, "SRS").text = crs_wkt
    if transform is not None:
        numbers = (repr(float(number)) for number in transform.to_gdal())
        SubElement(root, "GeoTransform").text = ", ".join(numbers)


def add_overviews(root: Element, factors: Iterable[int], resampling: str = "average") -> None:
    """Overviews made of those of the files when they are asked for."""
    listed = " ".join(map(str, factors))
    if listed:
        SubElement(root, "OverviewList", resampling=resampling).text = listed


def add_band(root: Element, number: int, dtype: str) -> Element:
    """One more band, without any file yet."""
    return SubElement(root, "VRTRasterBand", dataType=DATA_TYPES[dtype], band=str(number))


def add_colour(band: Element, colour: ColorInterp) -> None:
    """Say what a band shows."""
    name = _COLOURS.get(colour, colour.name.capitalize())
    SubElement(band, "ColorInterp").text = name


def add_colour_table(band: Element, entries: Iterable[Sequence[int]]) -> None:
    """The colours of a band's values from 0 up, each red, green, blue and alpha from 0 to 255."""
    table = SubElement(band, "ColorTable")
    for entry in entries:
        SubElement(table, "Entry", {f"c{i}": str(v) for i, v in enumerate(entry, start=1)})


def add_mask(root: Element) -> Element:
    """The band that says where there is data: 255 there, else 0."""
    return SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")


def add_tags(parent: Element, tags: Mapping[str, str], domain: str = "") -> None:
    """Metadata of a raster or a band."""
    if tags:
        element = SubElement(parent, "Metadata", {"domain": domain} if domain else {})
        for key, value in tags.items():
            SubElement(element, "MDI", key=key).text = value


def add_file(
    band: Element,
    file: VrtFile,
    source_band: str,
    place: Window,
    *,
    masked: bool = False,
    values: Mapping[int, int] | None = None,
) -> None:
    """Show a file's band in a part of a virtual band; later files cover earlier ones.

    place: its pixels within the virtual raster. masked: whether it covers only where its own mask
    says that there is data. values: a table that its values are looked up in.
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
