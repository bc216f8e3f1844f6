"""Members of a virtual raster, each as it describes itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from affine import Affine
from cachetools import LRUCache
from rasterio import DatasetReader
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from cache.breaker import summarise_error
from tileserver.errors import StartupError
from tileserver.library_internals import CPLE_BaseError
from tileserver.origins.origin import Bounds, Origin
from tileserver.origins.vrt import DATA_TYPES, VrtFile
from tileserver.rasters.inspection import REFERRING_DRIVERS
from tileserver.rasters.opening import open_anew
from tileserver.rasters.palette import Palette, read_palette

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

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right and top, a pixel wider: it may be moved by half of one."""
        x, y = self.transform.a, self.transform.e
        left, top = self.transform.c - x, self.transform.f - y
        return left, top + (self.height + 2) * y, left + (self.width + 2) * x, top

    @property
    def file(self) -> VrtFile:
        """The member as a file of a virtual raster."""
        name = self.origin.address.text
        return VrtFile(name, self.height, self.width, dtype=self.dtype, block=self.block)


_known: LRUCache[object, Part] = LRUCache(MOST_DESCRIPTIONS)
_lock = Lock()


def describe_member(origin: Origin) -> Part:
    """A member's description; raises StartupError in one line where it cannot be one.

    Remembered as long as its files look the same: of a large mosaic one changes at a time.
    """
    if origin.remote:
        return _read_description(origin)
    try:
        key = (origin.address, origin.signature()) if origin.settled() else None
    except OSError as error:
        raise StartupError(f"{origin.address.name}: {error.strerror or error}") from error
    with _lock:
        part = _known.get(key)
    if part is None:
        part = _read_description(origin)
        if key is not None:
            with _lock:
                _known[key] = part
    return replace(part, origin=origin)


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
        reason = summarise_error(error).partition(": ")[2] or "cannot be opened"
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
