"""Values of parameters that a source has an answer to, for the examples of openapi.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from morecantile import Tile

from tileserver.catalogue.coverage import geographic_centre, tile_limits
from tileserver.catalogue.layers import Source
from tileserver.errors import OutsideGrid
from tileserver.grid import TILE_PX, WEB_MERCATOR

Json = dict[str, Any]
DIGITS = 7
"""Decimals of a degree: a centimetre."""
MAP_PX = 512


@dataclass(frozen=True, slots=True)
class Examples:
    """A place of a source, and the tile that holds it."""

    source_id: str
    lon: float
    lat: float
    tile: Tile
    degrees: tuple[float, float, float, float]
    """West, south, east and north of the tile."""
    metres: tuple[float, float, float, float]
    """Left, bottom, right and top of the tile in web mercator."""

    def path(self, path: str) -> Json:
        """Values of a path's parameters, by name."""
        tile = self.tile
        west, south, east, north = self.degrees
        rows = 2**tile.z
        return {
            "source": self.source_id,
            "tileMatrixSetId": WEB_MERCATOR,
            "z": tile.z,
            "x": tile.x,
            "y": rows - 1 - tile.y if "/tms/" in path else tile.y,
            "scale": 2,
            "format": "png",
            "lon": self.lon,
            "lat": self.lat,
            "minx": west,
            "miny": south,
            "maxx": east,
            "maxy": north,
            "width": TILE_PX,
            "height": TILE_PX,
        }

    def query(self, path: str) -> Json:
        """Values of a query's parameters, by name: of few routes, others have good defaults."""
        if path.endswith("/map"):
            return {"bbox": ",".join(map(str, self.degrees)), "width": TILE_PX}
        if path.endswith("/wms"):
            return {
                "SERVICE": "WMS",
                "VERSION": "1.3.0",
                "REQUEST": "GetMap",
                "LAYERS": self.source_id,
                "STYLES": "super-resolved",
                "CRS": "EPSG:3857",
                "BBOX": ",".join(map(repr, self.metres)),
                "WIDTH": MAP_PX,
                "HEIGHT": MAP_PX,
                "FORMAT": "image/png",
            }
        if path.endswith("/wmts"):
            return {
                "SERVICE": "WMTS",
                "REQUEST": "GetTile",
                "VERSION": "1.0.0",
                "LAYER": self.source_id,
                "STYLE": "default",
                "FORMAT": "image/png",
                "TILEMATRIXSET": WEB_MERCATOR,
                "TILEMATRIX": self.tile.z,
                "TILEROW": self.tile.y,
                "TILECOL": self.tile.x,
            }
        return {}

    @property
    def feature(self) -> Json:
        """The tile's ground as a GeoJSON feature."""
        west, south, east, north = self.degrees
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }


def find_examples(source: Source) -> Examples:
    """The middle of a source, or of its view, one zoom past native where that is served.

    Raises OutsideGrid where it does not lie on web mercator.
    """
    layer = source.layer(WEB_MERCATOR)
    if not tile_limits(layer):
        raise OutsideGrid
    lon, lat = source.settings.view[:2] if source.settings.view else geographic_centre(source)
    tms = layer.grid.tms
    zoom = max(min(layer.native_zoom + 1, layer.max_zoom - 1), int(tms.minzoom))
    tile = tms.tile(lon, lat, zoom)
    west, south, east, north = (round(one, DIGITS) for one in tms.bounds(tile))
    left, bottom, right, top = tms.xy_bounds(tile)
    return Examples(
        source_id=source.id,
        lon=round(lon, DIGITS),
        lat=round(lat, DIGITS),
        tile=tile,
        degrees=(west, south, east, north),
        metres=(float(left), float(bottom), float(right), float(top)),
    )
