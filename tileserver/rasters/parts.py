"""Members of a virtual raster, each as it describes itself."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from xml.etree.ElementTree import fromstring, tostring

from affine import Affine
from cachetools import LRUCache
from rasterio import DatasetReader
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from cache.breaker import summarise_error
from engine.window import Window
from tileserver.errors import StartupError
from tileserver.library_internals import CPLE_BaseError
from tileserver.origins.origin import Address, Origin
from tileserver.origins.vrt import DATA_TYPES, VrtFile, add_file, add_mask
from tileserver.rasters.inspection import REFERRING_DRIVERS
from tileserver.rasters.opening import open_anew
from tileserver.rasters.palette import Palette, read_palette
from tileserver.rasters.placement import describe_as_virtual

MOST_DESCRIPTIONS = 65536
"""Members that are remembered, a kilobyte each at most."""


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
    nodata: float | None = None
    masks: tuple[int, ...] = (1,)
    """Bands: where the mask of any of them is set, there is data."""
    text: str | None = None
    """The XML of a virtual raster that is opened in its place, whose mask is the alpha band."""

    @property
    def file(self) -> VrtFile:
        """The member as a file of a virtual raster."""
        name = self.text or self.origin.address.text
        return VrtFile(name, self.height, self.width, dtype=self.dtype, block=self.block)


_known: LRUCache[Address, tuple[object, Part]] = LRUCache(MOST_DESCRIPTIONS)
"""By address: a member's signature, and its description."""
_lock = Lock()


def describe_member(origin: Origin) -> Part:
    """A member's description; raises StartupError in one line where it cannot be one.

    Remembered as long as its files look the same: of a large mosaic one changes at a time.
    """
    with _lock:
        signature, part = _known.get(origin.address, (None, None))
    if part is not None and _settled_signature(part.origin) == signature:
        return part
    signature = _settled_signature(origin)
    part = _read_description(origin)
    if part.origin != origin:  # it has more files, whose signatures have to be older than it
        return describe_member(part.origin)
    if signature is not None:
        with _lock:
            _known[origin.address] = signature, part
    return part


def _settled_signature(origin: Origin) -> object:
    """None where a later change may not change it; raises StartupError for a missing file."""
    try:
        signature = origin.signature()
        return signature if origin.settled() else None
    except OSError as error:
        raise StartupError(f"{origin.address.name}: {error.strerror or error}") from error


def _read_description(origin: Origin) -> Part:
    name = origin.address.name
    try:
        with origin.address.environment(), open_anew(origin.address) as dataset:
            if dataset.driver in REFERRING_DRIVERS:
                raise StartupError(f"{name}: references other files, and so cannot be a member")
            if dataset.crs is None:
                raise StartupError(f"{name}: has no coordinate reference system")
            if dataset.dtypes[0] not in DATA_TYPES or len(set(dataset.dtypes)) > 1:
                raise StartupError(f"{name}: has {', '.join(sorted(set(dataset.dtypes)))} values")
            transform = dataset.transform
            if transform.b or transform.d or transform.e >= 0 or transform.a <= 0:
                raise StartupError(f"{name}: is not north-up, and so cannot be a member")
            pairs = list(zip(dataset.indexes, dataset.colorinterp, strict=True))
            bands = [(i, colour) for i, colour in pairs if colour is not ColorInterp.alpha]
            if not bands:
                raise StartupError(f"{name}: has no band but alpha")
            indexes = tuple(index for index, _ in bands)
            if dataset.driver == "GTiff" and not origin.remote:
                _check_whole(name, dataset)
            return Part(
                origin.with_files_of(dataset),
                dataset.crs.to_wkt(),
                transform,
                dataset.height,
                dataset.width,
                dataset.dtypes[0],
                tuple(colour for _, colour in bands),
                indexes,
                dataset.block_shapes[0],
                read_palette(dataset, indexes, name),
                dataset.nodata,
                _masks(dataset, indexes),
                _describe_alpha_as_mask(dataset, indexes),
            )
    except (RasterioError, CPLE_BaseError) as error:
        reason = summarise_error(error).partition(": ")[2] or "cannot be opened"
        raise StartupError(f"{name}: not a raster that GDAL reads ({reason})") from error


def _masks(dataset: DatasetReader, indexes: tuple[int, ...]) -> tuple[int, ...]:
    """The bands whose masks differ, of those with a nodata value; else one for all."""
    of_each = dataset.mask_flag_enums[indexes[0] - 1] == [MaskFlags.nodata]
    return indexes if of_each and len(indexes) == dataset.count else indexes[:1]


def _describe_alpha_as_mask(dataset: DatasetReader, indexes: tuple[int, ...]) -> str | None:
    """The XML of a virtual raster of the same bands, where GDAL does not take alpha for a mask."""
    alpha = next((index for index in dataset.indexes if index not in indexes), None)
    if alpha is None or MaskFlags.alpha in dataset.mask_flag_enums[indexes[0] - 1]:
        return None
    root = fromstring(describe_as_virtual(dataset))
    for mask in root.findall("MaskBand"):
        root.remove(mask)
    file = VrtFile(dataset.name, dataset.height, dataset.width)
    whole = Window(0, 0, dataset.height, dataset.width)
    add_file(add_mask(root), file, str(alpha), whole, values={0: 0, 1: 255})
    return tostring(root, encoding="unicode")


def _check_whole(name: str, dataset: DatasetReader) -> None:
    """Raises StartupError for a TIFF that ends too early, as one that is being copied does."""
    height, width = dataset.block_shapes[-1]
    row, col = (dataset.height - 1) // height * height, (dataset.width - 1) // width * width
    last = RasterWindow(col, row, dataset.width - col, dataset.height - row)
    try:
        dataset.read(dataset.count, window=last)
    except (RasterioError, CPLE_BaseError) as error:
        raise StartupError(f"{name}: not complete, its last pixels cannot be read") from error
