"""A virtual raster from the configuration: only what puts rasters side by side, nothing that runs.

What GDAL is given is the text that was checked, with every file by its whole address.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

from engine.window import Window
from tileserver.errors import StartupError
from tileserver.origins.members import LocalFile, Member
from tileserver.origins.origin import (
    VIRTUAL_OPTIONS,
    Address,
    Origin,
    in_threads,
    join_origins,
)
from tileserver.rasters.parts import describe_member

_ROOT = {"SRS", "GeoTransform", "Metadata", "OverviewList", "VRTRasterBand", "MaskBand"}
_SOURCES = {"SimpleSource", "ComplexSource", "AveragedSource", "NoDataFromMaskSource"}
_BAND = _SOURCES | {
    "ColorInterp",
    "ColorTable",
    "CategoryNames",
    "NoDataValue",
    "HideNoDataValue",
    "Description",
    "Metadata",
    "Histograms",
    "Scale",
    "Offset",
    "UnitType",
    "Overview",
    "MaskBand",
}
_IN_SOURCE = {
    "SourceFilename",
    "SourceBand",
    "SourceProperties",
    "SrcRect",
    "DstRect",
    "UseMaskBand",
    "NODATA",
    "ScaleOffset",
    "ScaleRatio",
    "LUT",
    "Exponent",
    "MaskValueThreshold",
    "NoData",
    "RemappedValue",
}


def virtual_origin(path: Path, refer: Callable[[str], Origin]) -> Origin:
    """A virtual raster in a file; refer finds and checks what it names.

    Raises StartupError where it does anything but place bands of rasters.
    """
    try:
        text = path.read_text("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise StartupError(f"{path}: declares a document type, which no virtual raster needs")
        root = fromstring(text)
    except (UnicodeDecodeError, ParseError) as error:
        raise StartupError(f"{path}: not a virtual raster ({error})") from error
    if root.tag != "VRTDataset":
        raise StartupError(f"{path}: not a virtual raster")
    _check(path, root, _ROOT)
    uses: dict[str, list[Element]] = {}
    for use in root.iter():
        if use.find("SourceFilename") is not None:
            uses.setdefault((use.findtext("SourceFilename") or "").strip(), []).append(use)
    if not uses:
        raise StartupError(f"{path}: names no raster")
    origins = in_threads(lambda name: describe_member(refer(name)).origin, list(uses))
    known = dict(zip(uses, origins, strict=True))
    options = dict(VIRTUAL_OPTIONS)
    for file in root.iter("SourceFilename"):
        origin = known[(file.text or "").strip()]
        file.text = origin.address.text
        file.attrib.update(relativeToVRT="0", shared="0")
        options.update(origin.address.options)
    places = [o.address.text for o in known.values() if o.address.text.startswith("/vsi")]
    if places:
        options["CPL_VSIL_CURL_NON_CACHED"] = ":".join(places)
    address = Address(str(path), tostring(root, encoding="unicode"), "VRT", tuple(options.items()))
    listing: list[Member] = [LocalFile(path)]
    return join_origins(address, listing, origins, [_window(each) for each in uses.values()])


def _window(uses: list[Element]) -> Window | None:
    """The pixels that a file covers; None where the document does not say."""
    covered = None
    for use in uses:
        target = use.find("DstRect")
        if target is None:
            return None
        try:
            col, row, width, height = (
                float(target.get(name, "")) for name in ("xOff", "yOff", "xSize", "ySize")
            )
            top, left = floor(row), floor(col)
            window = Window(top, left, ceil(row + height) - top, ceil(col + width) - left)
        except (ValueError, OverflowError):  # not a number, or infinite, or nothing is covered
            return None
        covered = window if covered is None else covered.union(window)
    return covered


def _check(path: Path, element: Element, allowed: set[str]) -> None:
    """Raises StartupError where an element or one below it is not a known harmless one."""
    if element.get("subClass") is not None:
        raise StartupError(
            f"{path}: subClass {element.get('subClass')} is not allowed: a VRT may only arrange "
            "rasters"
        )
    for child in element:
        if child.tag not in allowed:
            raise StartupError(
                f"{path}: element <{child.tag}> is not allowed: a VRT may only arrange rasters"
            )
        if child.tag in ("VRTRasterBand", "MaskBand"):
            _check(path, child, _BAND if child.tag == "VRTRasterBand" else {"VRTRasterBand"})
        elif child.tag in _SOURCES or child.tag == "Overview":
            _check(path, child, _IN_SOURCE)
