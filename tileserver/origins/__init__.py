"""Where rasters come from: what GDAL opens, and how its changes are detected.

origin: an address for GDAL and its members, the files that decide what is read. members, sidecars:
local files and what lies beside them; remote: objects at http(s) and s3 addresses. listings:
MosaicJSON and STAC. files, naming: rasters of a folder, and their ids. vrt: writes virtual rasters.
Tile services are in tileserver.rasters.upstream, which needs a raster's description.
"""
