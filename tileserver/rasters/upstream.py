"""A tile service as a raster: its deepest zoom is the native one.

    service -> GDAL's WMS driver, all tiles of a zoom as one raster -> cropped to the bounds

A tile that the service does not have (404, 204) is ground without data. Any other failure is an
error of the read: nothing that was not answered is ever drawn or kept.
"""

from __future__ import annotations

import re
import time
from collections.abc import Set
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

import morecantile
from rasterio.enums import ColorInterp

from cache.key import fingerprint
from engine.window import Window
from tileserver.errors import StartupError
from tileserver.grid import TILE_PX, Grid, doubles
from tileserver.origins.members import Signature
from tileserver.origins.origin import Address, Origin
from tileserver.origins.remote import CONNECT_SECONDS, TIMEOUT_SECONDS, check_host, gdal_options
from tileserver.rasters.parts import Part
from tileserver.rasters.virtual import crop
from tileserver.settings.sources import UpstreamSettings

MAX_SIDE_PX = 2**31 - 1
"""GDAL counts pixels in 32 bits."""
CONNECTIONS = 8
_PLACES = {"TileMatrix": "z", "TileCol": "x", "TileRow": "y"}
"""A WMTS's names of the three numbers."""


@dataclass(frozen=True, slots=True)
class Service:
    """A tile service, which says nothing of its version: the configuration does."""

    settings: UpstreamSettings
    remote = False

    def signature(self) -> Signature:
        """The configured version, and the period that it is taken to hold for."""
        seconds = self.settings.renewed_seconds
        return self.settings.version, int(time.time() // seconds) if seconds else 0

    def last_signature(self) -> Signature:
        return self.signature()

    def settled(self) -> bool:
        return True

    def digest(self) -> str:
        """Of the version (signature), and of all that decides which tiles are read and where."""
        return fingerprint(
            service=self.settings.model_dump(exclude={"renewed_seconds"}), look=self.signature()
        )


def upstream_origin(settings: UpstreamSettings, hosts: Set[str]) -> Origin:
    """A service on an allowed host; raises StartupError where it cannot be one raster."""
    check_host(settings.url, hosts)
    name = f"upstream {urlsplit(settings.url).hostname}"
    grid = _grid(name, settings.grid)
    if settings.maxzoom > grid.tms.maxzoom:
        raise StartupError(f"{name}: {settings.grid} ends at zoom {grid.tms.maxzoom}")
    member = Service(settings)
    zoom, (x, y) = settings.maxzoom, grid.origin(settings.maxzoom)
    matrix = grid.tms.matrix(zoom)
    whole = Window(0, 0, matrix.matrixHeight * TILE_PX, matrix.matrixWidth * TILE_PX)
    if max(whole.height, whole.width) > MAX_SIDE_PX:
        raise StartupError(f"{name}: zoom {zoom} has more pixels than GDAL counts")
    transform = grid.transform(zoom, whole)
    size = grid.pixel_size(zoom)
    corner = (x + size * whole.width, y - size * whole.height)
    text = _service_xml(settings, grid, whole, ((x, y), corner))
    everything = Part(
        Origin(Address(name, text, "WMS", gdal_options()), (member,)),
        grid.crs.to_wkt(),
        transform,
        whole.height,
        whole.width,
        "uint8",
        (ColorInterp.red, ColorInterp.green, ColorInterp.blue),
        (1, 2, 3),
        (TILE_PX, TILE_PX),
    )
    if settings.bounds is None:
        return Origin(crop(name, everything, whole), (member,))
    bounds = grid.bounds_of(grid.tms.rasterio_geographic_crs, settings.bounds)
    part = grid.window_of_bounds(bounds, zoom).aligned(TILE_PX).intersection(whole)
    if part is None:
        raise StartupError(f"{name}: its bounds lie outside {settings.grid}")
    return Origin(crop(name, everything, part), (member,))


def _grid(name: str, grid_id: str) -> Grid:
    if grid_id not in morecantile.tms.list() or not doubles(morecantile.tms.get(grid_id)):
        raise StartupError(f"{name}: {grid_id} is no tile matrix set that doubles")
    return Grid(morecantile.tms.get(grid_id))


def _service_xml(
    settings: UpstreamSettings,
    grid: Grid,
    whole: Window,
    corners: tuple[tuple[float, float], tuple[float, float]],
) -> str:
    """GDAL's description of the service: XYZ tiles, three colours and alpha."""
    root = Element("GDAL_WMS")
    service = SubElement(root, "Service", name="TMS")
    SubElement(service, "ServerUrl").text = _template(settings.url)
    window = SubElement(root, "DataWindow")
    (left, top), (right, bottom) = corners
    first = grid.tms.matrix(0)
    for tag, value in {
        "UpperLeftX": left,
        "UpperLeftY": top,
        "LowerRightX": right,
        "LowerRightY": bottom,
        "SizeX": whole.width,
        "SizeY": whole.height,
        "TileLevel": settings.maxzoom,
        "TileCountX": first.matrixWidth,
        "TileCountY": first.matrixHeight,
        "YOrigin": "top",
    }.items():
        SubElement(window, tag).text = str(value)
    for tag, value in {
        "Projection": grid.crs.to_wkt(),
        "OverviewCount": settings.maxzoom - settings.minzoom,
        "BlockSizeX": TILE_PX,
        "BlockSizeY": TILE_PX,
        "BandsCount": 4,
        "DataType": "Byte",
        "MaxConnections": CONNECTIONS,
        "Timeout": TIMEOUT_SECONDS + CONNECT_SECONDS,
        "ZeroBlockHttpCodes": "204,404",
        "ZeroBlockOnServerException": "false",
    }.items():
        SubElement(root, tag).text = str(value)
    return tostring(root, encoding="unicode")


def _template(url: str) -> str:
    """The address of a tile as GDAL writes it; a WMTS's names are understood too."""
    names = re.sub(r"\{(\w+)\}", lambda name: f"{{{_PLACES.get(name[1], name[1])}}}", url)
    return re.sub(r"\{([xyz])\}", r"${\1}", names)
