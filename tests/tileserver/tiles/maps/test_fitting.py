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
    system = find_system("EPSG:3857")
    for bounds in (
        (-HALF_TURN, 5_614_000.0, HALF_TURN, 5_614_100.0),  # its margin is past the world's ends
        (-3.0 * HALF_TURN, 5_614_000.0, 3.0 * HALF_TURN, 5_614_100.0),
    ):
        found = fit(layer, Area(system, bounds, 1, 4096))
        extent = layer.extent_at(found.zoom)
        turns = round(bounds[2] / HALF_TURN)
        assert found.window.height <= extent.height + 2 * MARGIN_PX
        if turns == 1:
            assert found.window.width <= extent.width + 2 * MARGIN_PX
