"""Boxes in other systems, and sizes that follow from them."""

from __future__ import annotations

import pytest

from tileserver.errors import OutOfRange
from tileserver.tiles.maps.area import MERCATOR_TURN, parse_box, project_box
from tileserver.tiles.maps.reference_systems import find_system

DEGREE = MERCATOR_TURN / 360


@pytest.mark.parametrize(
    ("west", "east"), [(179.9, 180.1), (-180.1, -179.9), (170, 200), (-200, 10), (10, 20)]
)
def test_a_box_of_degrees_goes_on_past_180_degrees(west: float, east: float) -> None:
    degrees, mercator = find_system("CRS:84"), find_system("EPSG:3857")
    left, bottom, right, top = project_box((west, 58, east, 58.1), degrees, mercator)
    assert [left, right] == pytest.approx([west * DEGREE, east * DEGREE])
    _, low, _, high = project_box((10, 58, 20, 58.1), degrees, mercator)
    assert [bottom, top] == pytest.approx([low, high])


@pytest.mark.parametrize(
    ("text", "code"), [("170,-20,-170,-10", "CRS:84"), ("-20,170,-10,-170", "EPSG:4326")]
)
def test_a_box_may_wrap_around_in_degrees_where_its_protocol_writes_it_so(
    text: str, code: str
) -> None:
    assert parse_box(text, find_system(code), wraps=True) == (170, -20, 190, -10)
    with pytest.raises(OutOfRange, match="bbox"):
        parse_box(text, find_system(code))


@pytest.mark.parametrize(
    ("text", "code"),
    [("170,-20,-170,-10", "EPSG:3857"), ("200,-20,190,-10", "CRS:84"), ("1,4,3,2", "CRS:84"),
     ("nan,0,1,1", "CRS:84"), ("1,0,1,1", "CRS:84")],
)  # fmt: skip
def test_what_is_no_box_is_refused(text: str, code: str) -> None:
    with pytest.raises(OutOfRange, match="bbox"):
        parse_box(text, find_system(code), wraps=True)


UTM_BOX = (819_300, 8_117_900, 819_600, 8_118_200)
"""Its left edge lies at 179.9985 degrees, its right edge at -179.9987."""


@pytest.mark.parametrize(("code", "unit"), [("EPSG:3857", DEGREE), ("CRS:84", 1.0)])
def test_so_does_a_projected_box(code: str, unit: float) -> None:
    left, bottom, right, top = project_box(UTM_BOX, find_system("EPSG:32760"), find_system(code))
    assert [left / unit, right / unit] == pytest.approx([179.9985, 180.0013], abs=2e-4)
    assert 0 < (top - bottom) / unit < 0.01


def test_a_box_around_a_pole_is_not_on_web_mercator() -> None:
    polar, mercator = find_system("EPSG:3413"), find_system("EPSG:3857")
    with pytest.raises(OutOfRange, match="within the reach"):
        project_box((-2e5, -2e5, 2e5, 2e5), polar, mercator)
    left, _, right, top = project_box((-2e6, -2e6, 2e6, 2e6), polar, mercator)
    assert (right - left, top) == pytest.approx((MERCATOR_TURN, MERCATOR_TURN / 2))


@pytest.mark.parametrize(
    ("code", "north_first"),
    [("EPSG:32661", True), ("EPSG:32761", True), ("EPSG:5041", False), ("EPSG:3413", False),
     ("EPSG:4326", True), ("CRS:84", False), ("EPSG:3857", False), ("EPSG:3035", True)],
)  # fmt: skip
def test_axes_come_in_the_order_of_the_definition(code: str, north_first: bool) -> None:
    assert find_system(code).north_first == north_first
