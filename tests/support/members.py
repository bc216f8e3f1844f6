"""Rasters of many members, and the bands that are read from them."""

from __future__ import annotations

import json
from pathlib import Path

import rasterio
from rasterio.windows import Window as RasterWindow

from engine.window import Window
from tests.support.rasters import SMALL_SIDE
from tests.support.tiles import WEB_MERCATOR
from tileserver.grid import Grid
from tileserver.imagery.bands import Bands, GridSource
from tileserver.imagery.handles import HandlePool
from tileserver.rasters.locating import inspect_source
from tileserver.rasters.raster import Raster
from tileserver.settings.sources import SourceSettings

GRID = Grid(WEB_MERCATOR)
QUARTERS = {"nw": (0, 0), "ne": (0, 70), "sw": (70, 0), "se": (70, 70)}
"""Row and column of overlapping quarters that cover a small scene."""
QUARTER_PX = SMALL_SIDE - 70


def quarters(scene: Path, folder: Path) -> list[Path]:
    """A raster cut into overlapping quarters, with overviews."""
    folder.mkdir(exist_ok=True)
    paths = []
    with rasterio.open(scene) as dataset:
        for name, (row, col) in QUARTERS.items():
            window = RasterWindow(col, row, QUARTER_PX, QUARTER_PX)
            profile = dataset.profile | {
                "height": QUARTER_PX,
                "width": QUARTER_PX,
                "transform": dataset.window_transform(window),
            }
            paths.append(folder / f"{name}.tif")
            with rasterio.open(paths[-1], "w", **profile) as out:
                out.colorinterp = dataset.colorinterp
                out.write(dataset.read(window=window))
                if dataset.mask_flag_enums[0][0].name == "per_dataset":
                    out.write_mask(dataset.read_masks(1, window=window))
    return paths


def raster_of(path: Path, **settings: object) -> Raster:
    source = SourceSettings.model_validate({"path": str(path), **settings})
    return inspect_source(source)


def bands_of(raster: Raster) -> tuple[Bands, Window]:
    source = GridSource(HandlePool(8).of(raster), GRID, 20)
    return Bands(source, {}), source.extent


def mosaic_json(path: Path, assets: list[str]) -> Path:
    tiles = {"0231": assets[:2], "0232": assets[1:]}
    path.write_text(json.dumps({"mosaicjson": "0.0.3", "tiles": tiles}))
    return path
