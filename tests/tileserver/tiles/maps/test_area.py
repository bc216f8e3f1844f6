"""Boxes in other systems, and sizes that follow from them."""

from __future__ import annotations

import pytest

from tileserver.tiles.maps.area import MERCATOR_TURN, project_box
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
