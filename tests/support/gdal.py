"""The service as GDAL reads it: a description of XYZ tiles, and where a tile lies in it."""

from __future__ import annotations

import morecantile
import rasterio
from morecantile import Tile
from rasterio.windows import Window

XYZ = """<GDAL_WMS>
  <Service name="TMS"><ServerUrl>{url}</ServerUrl></Service>
  <DataWindow>
    <UpperLeftX>-20037508.342789244</UpperLeftX><UpperLeftY>20037508.342789244</UpperLeftY>
    <LowerRightX>20037508.342789244</LowerRightX><LowerRightY>-20037508.342789244</LowerRightY>
    <TileLevel>{zoom}</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY>
    <YOrigin>top</YOrigin>
  </DataWindow>
  <Projection>EPSG:3857</Projection>
  <BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>3</BandsCount>
</GDAL_WMS>"""


def window_of(
    tile: Tile, tms: morecantile.TileMatrixSet, dataset: rasterio.DatasetReader
) -> Window:
    """Where a tile lies in a dataset of its own zoom."""
    left, _, _, top = tms.xy_bounds(tile)
    col, row = ~dataset.transform @ (left, top)
    return Window(round(col), round(row), 256, 256)
