"""Which pixels of a zoom a map is made from."""

from __future__ import annotations

from tileserver.assembly import open_catalogue
from tileserver.settings.server import Settings
from tileserver.tiles.maps.area import Area
from tileserver.tiles.maps.fitting import MARGIN_PX, fit
from tileserver.tiles.maps.reference_systems import find_system

HALF_TURN = 20_037_508


def test_of_a_map_of_the_whole_world_only_the_sources_own_pixels_are_read(
    config_settings: Settings,
) -> None:
    layer = open_catalogue(config_settings)["yellowstone"].layer("WebMercatorQuad")
    for turns in (1, 3):  # the margin of the first is past the world's ends
        bounds = (-turns * HALF_TURN, 5_614_000.0, turns * HALF_TURN, 5_614_100.0)
        found = fit(layer, Area(find_system("EPSG:3857"), bounds, 1, 4096))
        extent, whole = layer.extent_at(found.zoom), layer.grid.whole(found.zoom)
        assert found.window.height <= extent.height + 2 * MARGIN_PX
        further = (turns - 1) * whole.width  # it is there once a turn
        assert found.window.width <= further + extent.width + 2 * MARGIN_PX
