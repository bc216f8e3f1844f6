"""The parameters of a WMS request, whose names may be written in any case."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from starlette.requests import Request

from tileserver.api.maps.parameters import WHITE, parse_colour, parse_format
from tileserver.api.parameters import parse_whole
from tileserver.errors import OutOfRange
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.maps.area import Area, parse_box
from tileserver.tiles.maps.reference_systems import ReferenceSystem, find_system
from tileserver.tiles.maps.request import Colour

NEW, OLD = "1.3.0", "1.1.1"
"""The versions that are answered; others by the next one."""
DEFAULT_FORMAT = ImageFormat.png
JPEG = (ImageFormat.jpg, ImageFormat.jpeg)


@dataclass(frozen=True)
class Question:
    """What a WMS client asks for."""

    request: Request
    max_side_px: int

    @cached_property
    def given(self) -> dict[str, str]:
        """The parameters by their names in lower case."""
        return {name.lower(): value for name, value in self.request.query_params.items()}

    def get(self, name: str) -> str:
        """A parameter, which is needed; raises OutOfRange."""
        value = self.given.get(name)
        if not value:
            raise OutOfRange(name, "missing")
        return value

    @property
    def operation(self) -> str:
        """GetCapabilities, GetMap or another, in lower case."""
        return self.given.get("request", "").lower()

    @property
    def version(self) -> str:
        """Of the answer: the one asked for, the next newer one, or what the parameters speak."""
        asked = self.given.get("version") or self.given.get("wmtver")
        if asked:
            return NEW if asked > OLD else OLD
        return OLD if "srs" in self.given else NEW

    @property
    def format(self) -> ImageFormat:
        """Of the map; raises OutOfRange."""
        return parse_format(self.get("format").partition(";")[0].strip(), "format")

    @property
    def background(self) -> Colour | None:
        """What is shown where there is no data; None: transparent."""
        wanted = self.given.get("transparent", "false").lower()
        if wanted not in ("true", "false"):
            raise OutOfRange("transparent", "TRUE or FALSE")
        colour = parse_colour(self.given["bgcolor"]) if self.given.get("bgcolor") else WHITE
        return None if wanted == "true" and self.format not in JPEG else colour

    @property
    def area(self) -> Area:
        """What the map shows; raises OutOfRange."""
        system = self._system
        bounds = parse_box(self.get("bbox"), system)
        return Area(system, bounds, self._side("height"), self._side("width"))

    @property
    def exceptions(self) -> str:
        """How errors are reported: xml, inimage or blank; xml where it is none of them."""
        wanted = self.given.get("exceptions", "xml").lower()
        for form in ("xml", "inimage", "blank"):
            if wanted in (form, f"application/vnd.ogc.se_{form}"):
                return form
        return "xml"

    @property
    def _system(self) -> ReferenceSystem:
        """The reference system; until 1.3.0 x, or longitude, is always first."""
        if self.version == NEW:
            return find_system(self.get("crs"), "crs")
        found = find_system(self.get("srs"), "srs")
        return ReferenceSystem(found.code, found.crs, north_first=False)

    def _side(self, name: str) -> int:
        side = parse_whole(self.get(name), 1, self.max_side_px)
        if side is None:
            raise OutOfRange(name, f"1 to {self.max_side_px} pixels")
        return side
