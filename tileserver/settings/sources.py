"""Settings of a source: a raster, or a tile service, and what is said of it."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tileserver.settings.base import Frozen

SOURCE_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
SERVER_PAGES = frozenset(
    {"viewer", "sources.json", "healthz", "readyz", "api.html", "openapi.json", "conformance"}
    | {"docs", "favicon.ico", "wms", "viewer.json"}
    | {"tileMatrixSets", "metrics", "status.json"}
)
"""First parts of paths that are the server's own: no source's id, and open to clients without a
key (middleware.stack)."""


def _check_not_reserved(id: str) -> str:
    if id in SERVER_PAGES:
        raise ValueError(f"{id!r} is a page of the server: give that source another id")
    return id


def _write_date(value: object) -> object:
    """YAML reads 2019-07-01 as a date and 2019 as a number."""
    return str(value) if isinstance(value, int | date) else value


Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
SourceId = Annotated[str, Field(pattern=SOURCE_ID), AfterValidator(_check_not_reserved)]


class UpstreamSettings(Frozen):
    """A service of XYZ or WMTS tiles of 256 px, 8-bit, on a host in remote_hosts."""

    url: str = Field(
        description="Address of a tile with {z}, {x} and {y}, or a WMTS's with {TileMatrix}, "
        "{TileCol} and {TileRow}."
    )
    maxzoom: Annotated[int, Field(ge=0, le=30)] = Field(
        description="Its deepest zoom, which becomes the native one."
    )
    minzoom: Annotated[int, Field(ge=0, le=30)] = Field(0, description="Its first zoom.")
    bounds: tuple[float, float, float, float] | None = Field(
        None, description="West, south, east, north in degrees; default: all of the grid."
    )
    grid: str = Field("WebMercatorQuad", description="Its tile matrix set.")
    version: str = Field("", description="Change it when the service's imagery changes.")
    renewed_seconds: Annotated[int, Field(ge=60)] | None = Field(
        None, description="Treat the imagery as changed every N seconds; default: never."
    )

    @model_validator(mode="after")
    def _one_address_a_tile(self) -> Self:
        places = set(re.findall(r"\{(\w+)\}", self.url))
        if places not in ({"z", "x", "y"}, {"TileMatrix", "TileCol", "TileRow"}):
            raise ValueError("url must contain {z}, {x}, {y} or {TileMatrix}, {TileCol}, {TileRow}")
        if self.minzoom > self.maxzoom:
            raise ValueError(f"minzoom {self.minzoom} must not exceed maxzoom {self.maxzoom}")
        if self.bounds is not None:
            west, south, east, north = self.bounds
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
                raise ValueError(
                    "bounds must be west, south, east, north, west < east, south < north"
                )
        return self


class SourceSettings(Frozen):
    """One raster to serve: a path or an upstream."""

    path: str | None = Field(
        None,
        description="A raster that GDAL reads, a .vrt, a MosaicJSON or STAC item (.json), a folder "
        "with `mosaic`, relative to the configuration file; or an https:// or s3:// address.",
    )
    upstream: UpstreamSettings | None = Field(None, description="A tile service instead.")
    mosaic: bool = Field(False, description="Serve all rasters below a folder as this one source.")
    assets: tuple[str, ...] = Field((), description="Assets of a STAC item; their bands in order.")
    range: tuple[float, float] | None = Field(
        None,
        description="Values shown as black and white; default: all levels of 8-bit values, else "
        "the file's exact statistics, else the 2nd to the 98th percentile. Others are kept.",
    )
    crs: str | None = Field(
        None,
        description="Its coordinate reference system (EPSG:32633, WKT or PROJ), in place of what "
        "the file says or does not say.",
    )
    bands: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="Numbers of the bands that are its picture, in order; default: all but alpha.",
    )
    nodata: float | None = Field(
        None, description="The value of pixels without data, in place of what the file says."
    )
    alpha: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="Number of the band that says where there is data, 0 for none; default: the "
        "file's, if it holds the values of a mask.",
    )
    title: str | None = Field(None, description="What people call it; default: its id.")
    attribution: str | None = Field(
        None, description="Who made the imagery: shown on maps and in every document, HTML allowed."
    )
    licence: str | None = Field(
        None,
        description="What may be done with the imagery: an SPDX identifier, a name or an address.",
    )
    date: Annotated[str, BeforeValidator(_write_date)] | None = Field(
        None, description="When the imagery was taken, as people write it: 2019-07-01, May 2019."
    )
    detail: Annotated[float, Field(ge=0, le=1)] | Literal["none"] | None = Field(
        None,
        description="How much synthesised texture is shown; default: the server's `detail`. none: "
        "the values are classes, shown by nearest neighbour at every zoom, as rasters with a "
        "colour table always are.",
    )
    reference: str | None = Field(
        None, description="Id of a source with the true detail, to compare with in the viewer."
    )
    view: tuple[Longitude, Latitude, Annotated[int, Field(ge=0, le=30)]] | None = Field(
        None, description="Longitude, latitude and zoom that the viewer opens it at."
    )

    @property
    def nearest(self) -> bool:
        """Whether its values are to be taken for classes."""
        return self.detail == "none"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.path is None) == (self.upstream is None):
            raise ValueError("set either path or upstream, one of the two")
        return self


def is_remote_address(path: str) -> bool:
    """Whether a path is an address in a remote store, which is relative to nothing."""
    return urlsplit(path).scheme in ("http", "https", "s3")
