"""Where a raster lies: described so that everything downstream reads it alike.

    ground control points, RPCs   -> warped onto the ground by GDAL
    a configured CRS              -> in place of the file's
    rows to the north, mirrored,
    rows and columns exchanged    -> the same pixels north-up, none resampled
    longitudes past 180 degrees   -> a CRS whose own longitudes go on there

Each is a virtual raster around the file. What is north-up, or turned by any other angle, and within
180 degrees is read as it is.
"""

from __future__ import annotations

from math import isfinite
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import CRSError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from tileserver.errors import StartupError
from tileserver.origins.origin import VIRTUAL_OPTIONS, Address
from tileserver.rasters.longitudes import HALF_TURN, unwrap_longitudes
from tileserver.rasters.validity import Alpha, warp_options

GROUND = CRS.from_epsg(4326)
"""What RPCs are formulas of."""
BAND = "VRTRasterBand"
ABOUT_BANDS = frozenset(
    {"Description", "Metadata", "CategoryNames", "ColorTable", "UnitType", "Offset", "Scale"}
)
"""Elements of a virtual raster's band that a warped one is not given by GDAL."""


def corners(transform: Affine, height: int, width: int) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of a raster of any orientation, in its CRS."""
    places = [transform * place for place in ((0, 0), (width, 0), (0, height), (width, height))]
    xs, ys = zip(*places, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def readable_address(
    dataset: rasterio.DatasetReader,
    address: Address,
    alpha: Alpha | None,
    crs: str | None,
    nearest: bool,
) -> Address | None:
    """A virtual raster that says in the common way where a dataset lies; None: it does so itself.

    alpha: its alpha band. crs: what the configuration says, in place of the file's. nearest:
    whether values are classes, as those of a colour table are. Raises StartupError in one line
    where nobody says where it lies, and rasterio's errors.
    """
    configured = None if crs is None else _parse_crs(address, crs)
    if not all(map(isfinite, dataset.transform[:6])) or dataset.transform.is_degenerate:
        raise StartupError(f"{address.name}: has a transform that cannot be inverted")
    if not dataset.transform.is_identity:
        text = _georeferenced_vrt(dataset, address, alpha, configured)
    elif dataset.gcps[0]:
        text = _from_points(dataset, address, alpha, configured, nearest)
    elif dataset.rpcs is not None:
        ground = _ground_options(dataset, alpha, nearest)
        text = _warped_vrt_xml(dataset, GROUND, src_crs=GROUND, **ground)
    else:
        lacking = "" if configured or dataset.crs else "coordinate reference system, "
        raise StartupError(
            f"{address.name}: has no {lacking}transform, ground control points or RPCs: "
            "cannot be georeferenced"
        )
    if text is None:
        return None
    return address.as_virtual(text)


def to_stored_pixels(dataset: rasterio.DatasetReader) -> Affine | None:
    """From pixels (col, row) of what `readable_address` describes to those of the dataset itself.

    None where they are resampled.
    """
    if dataset.transform.is_identity:
        return None
    if not _is_turned(dataset.transform):
        return Affine.identity()
    turned: Affine = ~dataset.transform * _north_up_transform(dataset)
    return turned


def _georeferenced_vrt(
    dataset: rasterio.DatasetReader, address: Address, alpha: Alpha | None, configured: CRS | None
) -> str | None:
    """The XML of a dataset with a transform; None where it can be read as it is."""
    crs = configured or dataset.crs
    if not crs:
        raise StartupError(f"{address.name}: has no coordinate reference system; set `crs:`")
    turned = _is_turned(dataset.transform)
    moved = unwrap_longitudes(crs, dataset.transform, *dataset.shape)
    if configured is None and moved is None:
        return _north_up(dataset, alpha) if turned else None
    text = _relocated_vrt_xml(dataset, *(moved or (crs, dataset.transform)))
    if not turned:
        return text
    with rasterio.Env(**dict(VIRTUAL_OPTIONS)), rasterio.open(text, driver="VRT") as described:
        return _north_up(described, alpha)


def _parse_crs(address: Address, crs: str) -> CRS:
    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise StartupError(
            f"{address.name}: crs {crs!r} is not a coordinate reference system"
        ) from error


def _is_turned(transform: Affine) -> bool:
    """Whether rows and columns run along the axes, but not to the south and to the east."""
    a, b, _, d, e, _ = transform[:6]
    along = not (b or d) or not (a or e)
    return along and not (a > 0 > e)


def _north_up(dataset: rasterio.DatasetReader, alpha: Alpha | None) -> str:
    """The same pixels with the first row in the north and the first column in the west."""
    placed, (height, width) = dataset.transform, dataset.shape
    if placed.b or placed.d:
        height, width = width, height
    return _warped_vrt_xml(
        dataset,
        dataset.crs,
        transform=_north_up_transform(dataset),
        height=height,
        width=width,
        resampling=Resampling.nearest,  # from centres to centres: what is stored, exactly
        add_alpha=alpha is None and MaskFlags.per_dataset in dataset.mask_flag_enums[0],
        **warp_options(alpha),
    )


def _north_up_transform(dataset: rasterio.DatasetReader) -> Affine:
    placed = dataset.transform
    left, _, _, top = corners(placed, dataset.height, dataset.width)
    across, down = (placed.b, placed.d) if placed.b or placed.d else (placed.a, placed.e)
    return Affine(abs(across), 0, left, 0, -abs(down), top)


def _from_points(
    dataset: rasterio.DatasetReader,
    address: Address,
    alpha: Alpha | None,
    configured: CRS | None,
    nearest: bool,
) -> str:
    points, own = dataset.gcps
    crs = configured or own
    if not crs:
        raise StartupError(
            f"{address.name}: its ground control points have no coordinate reference system; "
            "set `crs:`"
        )
    xs = [point.x for point in points]
    if crs.is_geographic and max(xs) - min(xs) > HALF_TURN:
        raise StartupError(
            f"{address.name}: its ground control points lie on both sides of the antimeridian; "
            "warp it (gdalwarp) onto a projected coordinate reference system"
        )
    options = _ground_options(dataset, alpha, nearest)
    return _warped_vrt_xml(dataset, crs, src_crs=crs, **options)


def _ground_options(
    dataset: rasterio.DatasetReader, alpha: Alpha | None, nearest: bool
) -> dict[str, Any]:
    """How pixels are put onto the ground: ground that they do not cover has no data."""
    nearest |= ColorInterp.palette in dataset.colorinterp
    return {
        "resampling": Resampling.nearest if nearest else Resampling.cubic,
        "add_alpha": alpha is None and dataset.nodata is None,
        **warp_options(alpha),
    }


def _warped_vrt_xml(dataset: rasterio.DatasetReader, crs: CRS, **options: Any) -> str:
    """A warped virtual raster's XML, with what the dataset says of its bands."""
    with WarpedVRT(dataset, crs=crs, **options) as warped:
        root = fromstring(describe_as_virtual(warped))
    # Of alpha that was added the dataset knows nothing.
    bands = zip(
        root.findall(BAND), fromstring(describe_as_virtual(dataset)).findall(BAND), strict=False
    )
    for band, own in bands:
        known = [child for child in own if child.tag in ABOUT_BANDS]
        band[:0] = [child for child in known if band.find(child.tag) is None]
    return tostring(root, encoding="unicode")


def _relocated_vrt_xml(dataset: rasterio.DatasetReader, crs: CRS, placed: Affine) -> str:
    """A virtual raster's XML: the dataset's pixels, and another place."""
    root = fromstring(describe_as_virtual(dataset))
    for child in [child for child in root if child.tag in ("SRS", "GeoTransform", "GCPList")]:
        root.remove(child)
    system, place = Element("SRS"), Element("GeoTransform")
    system.text = crs.to_wkt()
    place.text = ", ".join(repr(float(number)) for number in placed.to_gdal())
    root[:0] = [system, place]
    return tostring(root, encoding="unicode")


def describe_as_virtual(dataset: rasterio.DatasetReader) -> str:
    """The XML of a virtual raster that is a dataset as it is."""
    with MemoryFile(ext=".vrt") as file:
        rasterio.shutil.copy(dataset, file.name, driver="VRT")
        return bytes(file.getbuffer()).decode()
