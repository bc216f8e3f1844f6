"""Several rasters as one, through a virtual raster of GDAL: side by side, or band on band.

Everything downstream sees one dataset with overviews and a mask. Whoever opens it has handles of
the members of its own (shared="0"): a handle may then change threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from xml.etree.ElementTree import Element, SubElement, tostring

from affine import Affine
from cachetools import LRUCache
from rasterio import DatasetReader
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from cache.breaker import brief
from engine.window import Window
from tileserver.errors import StartupError
from tileserver.origins.origin import VIRTUAL_OPTIONS, Address, Bounds, Origin
from tileserver.rasters.palette import Palette, read_palette
from tileserver.rasters.raster import REFERRING_DRIVERS, opened_anew

MOST_DESCRIPTIONS = 65536
"""Members that are remembered, a kilobyte each at most."""
SMALLEST_OVERVIEW_PX = 256
SAME_PIXEL = 1e-4
"""Pixel sizes that differ by less, relatively, are one: over 10,000 pixels it is one pixel."""
_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A member as it describes itself."""

    origin: Origin
    crs_wkt: str
    transform: Affine
    height: int
    width: int
    dtype: str
    colours: tuple[ColorInterp, ...]
    """Of its picture bands: alpha is not one."""
    indexes: tuple[int, ...]
    block: tuple[int, int]
    palette: Palette | None = None

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right and top, a pixel wider: it may be moved by half of one."""
        x, y = self.transform.a, self.transform.e
        left, top = self.transform.c - x, self.transform.f - y
        return left, top + (self.height + 2) * y, left + (self.width + 2) * x, top


_known: LRUCache[object, Part] = LRUCache(MOST_DESCRIPTIONS)
_lock = Lock()


def described(origin: Origin) -> Part:
    """A member's description; raises StartupError in one line where it cannot be one.

    Remembered as long as its files look the same: of a large mosaic one changes at a time.
    """
    if origin.remote:
        return _described(origin)
    try:
        key = (origin.address, origin.signature()) if origin.settled() else None
    except OSError as error:
        raise StartupError(f"{origin.address.name}: {error.strerror or error}") from error
    with _lock:
        part = _known.get(key)
    if part is None:
        part = _described(origin)
        if key is not None:
            with _lock:
                _known[key] = part
    return replace(part, origin=origin)


def _described(origin: Origin) -> Part:
    name = origin.address.name
    try:
        with origin.address.environment(), opened_anew(origin.address) as dataset:
            if dataset.driver in REFERRING_DRIVERS:
                raise StartupError(f"{name}: refers to other files, and so cannot be a member")
            if dataset.crs is None:
                raise StartupError(f"{name}: has no coordinate reference system")
            if dataset.dtypes[0] not in _TYPES or len(set(dataset.dtypes)) > 1:
                raise StartupError(f"{name}: has {', '.join(sorted(set(dataset.dtypes)))} values")
            transform = dataset.transform
            if transform.b or transform.d or transform.e >= 0 or transform.a <= 0:
                raise StartupError(f"{name}: is not north-up, and so cannot be a member")
            pairs = zip(dataset.indexes, dataset.colorinterp, strict=True)
            bands = [(i, colour) for i, colour in pairs if colour is not ColorInterp.alpha]
            if dataset.driver == "GTiff" and not origin.remote:
                _check_whole(name, dataset)
            return Part(
                origin,
                dataset.crs.to_wkt(),
                transform,
                dataset.height,
                dataset.width,
                dataset.dtypes[0],
                tuple(colour for _, colour in bands),
                tuple(index for index, _ in bands),
                dataset.block_shapes[0],
                read_palette(dataset, tuple(index for index, _ in bands), name),
            )
    except (RasterioError, CPLE_BaseError) as error:
        reason = brief(error).partition(": ")[2] or "cannot be opened"
        raise StartupError(f"{name}: not a raster that GDAL reads ({reason})") from error


def _check_whole(name: str, dataset: DatasetReader) -> None:
    """Raises StartupError for a TIFF that ends too early, as one that is being copied does."""
    height, width = dataset.block_shapes[-1]
    row, col = (dataset.height - 1) // height * height, (dataset.width - 1) // width * width
    last = RasterWindow(col, row, dataset.width - col, dataset.height - row)
    try:
        dataset.read(dataset.count, window=last)
    except (RasterioError, CPLE_BaseError) as error:
        raise StartupError(f"{name}: not complete, its last pixels cannot be read") from error


def side_by_side(name: str, parts: Sequence[Part], nearest: bool = False) -> Address:
    """One raster of members on one pixel grid; the first that has data at a pixel shows it.

    Members off the first one's grid are moved by less than half a pixel. nearest: whether values
    are classes, as those of a colour table are. Raises StartupError for
    members that differ in anything but their place.
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
    root = _root(first.crs_wkt, transform, whole, nearest)
    # Later sources are painted over earlier ones.
    painted = list(zip(parts, places, strict=True))[::-1]
    for number, colour in enumerate(first.colours, start=1):
        band = _band(root, number, first.dtype, colour, first.palette)
        for part, place in painted:
            _add_source(band, part, str(part.indexes[number - 1]), place)
    _add_mask(root, painted)
    return _address(name, root, parts)


def band_on_band(name: str, parts: Sequence[Part], nearest: bool = False) -> Address:
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
    root = _root(first.crs_wkt, first.transform, whole, nearest)
    bands = [(part, index) for part in parts for index in part.indexes]
    shown = [ColorInterp.red, ColorInterp.green, ColorInterp.blue] if len(bands) >= 3 else []
    for number, (part, index) in enumerate(bands, start=1):
        colour = shown[number - 1] if number <= len(shown) else ColorInterp.undefined
        band = _band(root, number, first.dtype, colour)
        _add_source(band, part, str(index), whole)
    _add_mask(root, [(part, whole) for part in parts])
    return _address(name, root, parts)


def cropped(name: str, part: Part, window: Window) -> Address:
    """A part of one raster: a window of its pixels."""
    transform = part.transform * Affine.translation(window.col, window.row)
    root = _root(part.crs_wkt, transform, window)
    place = Window(-window.row, -window.col, part.height, part.width)
    for number, (index, colour) in enumerate(zip(part.indexes, part.colours, strict=True), start=1):
        _add_source(_band(root, number, part.dtype, colour), part, str(index), place)
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


def _root(crs_wkt: str, transform: Affine, whole: Window, nearest: bool = False) -> Element:
    root = Element("VRTDataset", rasterXSize=str(whole.width), rasterYSize=str(whole.height))
    SubElement(root, "SRS").text = crs_wkt
    numbers = (repr(float(number)) for number in transform.to_gdal())
    SubElement(root, "GeoTransform").text = ", ".join(numbers)
    factors, factor = [], 2
    while max(whole.height, whole.width) / factor >= SMALLEST_OVERVIEW_PX:
        factors.append(str(factor))
        factor *= 2
    if factors:  # made of the members' own, when they are asked for
        method = "nearest" if nearest else "average"
        SubElement(root, "OverviewList", resampling=method).text = " ".join(factors)
    return root


def _band(
    root: Element, number: int, dtype: str, colour: ColorInterp, palette: Palette | None = None
) -> Element:
    band = SubElement(root, "VRTRasterBand", dataType=_TYPES[dtype], band=str(number))
    SubElement(band, "ColorInterp").text = colour.name.capitalize()
    if palette is not None:
        table = SubElement(band, "ColorTable")
        for entry in palette.entries:
            SubElement(table, "Entry", {f"c{i}": str(v) for i, v in enumerate(entry, start=1)})
    return band


def _add_mask(root: Element, painted: Sequence[tuple[Part, Window]]) -> None:
    band = SubElement(SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
    for part, place in painted:
        _add_source(band, part, f"mask,{part.indexes[0]}", place)


def _add_source(band: Element, part: Part, source_band: str, place: Window) -> None:
    source = SubElement(band, "ComplexSource")
    file = SubElement(source, "SourceFilename", relativeToVRT="0", shared="0")
    file.text = part.origin.address.text
    SubElement(source, "SourceBand").text = source_band
    SubElement(
        source,
        "SourceProperties",
        RasterXSize=str(part.width),
        RasterYSize=str(part.height),
        DataType=_TYPES[part.dtype],
        BlockXSize=str(part.block[1]),
        BlockYSize=str(part.block[0]),
    )
    size = {"xSize": str(part.width), "ySize": str(part.height)}
    SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
    SubElement(source, "DstRect", {"xOff": str(place.col), "yOff": str(place.row), **size})
    SubElement(source, "UseMaskBand").text = "true"


def _address(name: str, root: Element, parts: Sequence[Part]) -> Address:
    options = dict(VIRTUAL_OPTIONS)
    for part in parts:
        for key, value in part.origin.address.options:
            known = options.get(key)
            one_more = key == "CPL_VSIL_CURL_NON_CACHED" and known is not None
            options[key] = f"{known}:{value}" if one_more else value
    return Address(name, tostring(root, encoding="unicode"), "VRT", tuple(options.items()))
