"""A raster's pixels on the grid of a zoom, the same for every window that contains them.

bands: warped reads by fixed blocks, filled where there is no data (filling). aligned: rasters
whose pixels are the grid's own. overviews: zooms above native. nearest: classes. units: values
scaled for the engine. handles: the pool of open GDAL handles. block_memory: cached blocks.
mosaic_members: the files of a window.
"""
