"""Coordinate reference systems by their codes, and which of their axes comes first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pyproj
from pyproj.exceptions import CRSError as ProjectionError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from tileserver.errors import OutOfRange

CRS84, MERCATOR = "OGC:CRS84", "EPSG:3857"
SAME_AS_CRS84 = frozenset({"EPSG:4326"})
"""Systems of the same degrees, in the other order."""
MOST_CODES = 256
_CODE = re.compile(
    r"(?:urn:ogc:def:crs:|https?://www\.opengis\.net/def/crs/)?"
    r"(?P<authority>\w{2,16})(?::[\w.]{0,8}:|/[\w.]{1,8}/|:)(?P<code>[A-Za-z0-9]{1,12})",
    re.ASCII,
)
_AUTHORITIES = frozenset({"EPSG", "ESRI", "OGC", "IGNF", "IAU_2015"})
ALLOWED = "the code of a coordinate reference system of the Earth's surface, such as EPSG:3857"


@dataclass(frozen=True, slots=True)
class ReferenceSystem:
    """A coordinate reference system of a register."""

    code: str
    """As in EPSG:3857."""
    crs: CRS
    """Its x runs east and its y north, whatever the order of its axes is."""
    north_first: bool
    """Whether its definition names the axis that runs north before the one that runs east."""

    @property
    def uri(self) -> str:
        """Its address in OGC's register."""
        authority, code = self.code.split(":")
        version = "1.3" if authority == "OGC" else "0"
        return f"http://www.opengis.net/def/crs/{authority}/{version}/{code}"

    def order(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box in the order of the definition's axes as left, bottom, right, top; and back."""
        a, b, c, d = box
        return (b, a, d, c) if self.north_first else box


@lru_cache(maxsize=MOST_CODES)
def find_system(text: str, parameter: str = "crs") -> ReferenceSystem:
    """The system of a code: EPSG:3857, CRS:84, or such a URN or URI.

    Raises OutOfRange for a text that is none, and for systems that are no maps of the surface.
    """
    found = _CODE.fullmatch(text)
    if found is None:
        raise OutOfRange(parameter, ALLOWED)
    authority, code = found["authority"].upper(), found["code"].upper()
    if authority in ("CRS", "OGC"):  # WMS 1.3.0 writes CRS:84
        authority, code = "OGC", f"CRS{code.removeprefix('CRS')}"
    if authority not in _AUTHORITIES:
        raise OutOfRange(parameter, ALLOWED)
    name = f"{authority}:{code}"
    try:
        axes = pyproj.CRS.from_user_input(name).axis_info
        crs = CRS.from_user_input(CRS84 if name in SAME_AS_CRS84 else name)
    except (ProjectionError, CRSError) as error:
        raise OutOfRange(parameter, ALLOWED) from error
    if not (crs.is_geographic or crs.is_projected) or len(axes) != 2:
        raise OutOfRange(parameter, ALLOWED)
    directions = [axis.direction for axis in axes]
    if {"west", "south"} <= {*directions}:  # its coordinates grow the other way
        raise OutOfRange(parameter, ALLOWED)
    # Around a pole both axes run south, or north: their names say which is which.
    north_first = directions == ["north", "east"] or [axis.abbrev for axis in axes] == ["N", "E"]
    return ReferenceSystem(name, crs, north_first)
