"""Codes of reference systems, and the order of their axes."""

from __future__ import annotations

import pytest

from tileserver.errors import OutOfRange
from tileserver.tiles.maps.reference_systems import find_system


@pytest.mark.parametrize(
    ("text", "code", "north_first"),
    [
        ("EPSG:3857", "EPSG:3857", False),
        ("epsg:4326", "EPSG:4326", True),
        ("CRS:84", "OGC:CRS84", False),
        ("OGC:CRS84", "OGC:CRS84", False),
        ("urn:ogc:def:crs:EPSG::4326", "EPSG:4326", True),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84", False),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "OGC:CRS84", False),
        ("https://www.opengis.net/def/crs/EPSG/0/3035", "EPSG:3035", True),
        ("EPSG:2193", "EPSG:2193", True),
        ("EPSG:31468", "EPSG:31468", True),
        ("EPSG:3031", "EPSG:3031", False),
        ("EPSG:32612", "EPSG:32612", False),
    ],
)
def test_the_order_of_axes_is_the_registers(text: str, code: str, north_first: bool) -> None:
    system = find_system(text)
    assert (system.code, system.north_first) == (code, north_first)
    assert find_system(system.uri) == system
    box = (1.0, 2.0, 3.0, 4.0)
    assert system.order(box) == ((2.0, 1.0, 4.0, 3.0) if north_first else box)
    assert system.order(system.order(box)) == box


def test_degrees_in_either_order_are_one_system() -> None:
    assert find_system("EPSG:4326").crs == find_system("CRS:84").crs


@pytest.mark.parametrize(
    "text",
    ["", "EPSG", "EPSG:", "EPSG:1", "FOO:3857", "EPSG:3857 ", "EPSG:5773", "EPSG:4978",
     "EPSG:4979", "+proj=longlat", "/etc/passwd", "http://127.0.0.1/def/crs/EPSG/0/3857"],
)  # fmt: skip
def test_what_is_no_map_of_the_surface_is_refused(text: str) -> None:
    with pytest.raises(OutOfRange, match=r"^bbox-crs: the code of a coordinate"):
        find_system(text, "bbox-crs")
