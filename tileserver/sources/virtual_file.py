"""A virtual raster from the configuration: only what puts rasters side by side, nothing that runs.

What GDAL is given is the text that was checked, with every file by its whole address.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

from tileserver.errors import StartupError
from tileserver.sources.members import LocalFile, Member
from tileserver.sources.origin import VIRTUAL_OPTIONS, Address, Origin
from tileserver.sources.virtual import described

_ROOT = {"SRS", "GeoTransform", "Metadata", "OverviewList", "VRTRasterBand", "MaskBand"}
_SOURCES = {"SimpleSource", "ComplexSource", "AveragedSource", "NoDataFromMaskSource"}
_BAND = _SOURCES | {
    "ColorInterp",
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
    members: list[Member] = [LocalFile(path)]
    options = dict(VIRTUAL_OPTIONS)
    known: dict[str, Origin] = {}
    for file in root.iter("SourceFilename"):
        name = (file.text or "").strip()
        if name not in known:
            known[name] = refer(name)
            described_driver = described(known[name])
            members += described_driver.origin.members
        file.text = known[name].address.text
        file.attrib.update(relativeToVRT="0", shared="0")
        options.update(known[name].address.options)
    if not known:
        raise StartupError(f"{path}: names no raster")
    places = [o.address.text for o in known.values() if o.address.text.startswith("/vsi")]
    if places:
        options["CPL_VSIL_CURL_NON_CACHED"] = ":".join(places)
    address = Address(str(path), tostring(root, encoding="unicode"), "VRT", tuple(options.items()))
    return Origin(address, tuple(members))


def _check(path: Path, element: Element, allowed: set[str]) -> None:
    """Raises StartupError where an element or one below it is not a known harmless one."""
    if element.get("subClass") is not None:
        raise StartupError(f"{path}: {element.get('subClass')} is not served; place rasters only")
    for child in element:
        if child.tag not in allowed:
            raise StartupError(f"{path}: <{child.tag}> is not served; place rasters only")
        if child.tag in ("VRTRasterBand", "MaskBand"):
            _check(path, child, _BAND if child.tag == "VRTRasterBand" else {"VRTRasterBand"})
        elif child.tag in _SOURCES or child.tag == "Overview":
            _check(path, child, _IN_SOURCE)
