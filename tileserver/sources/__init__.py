"""Where rasters come from, and how they are read alike for every window.

locating            a source's settings -> what GDAL opens: listings (MosaicJSON, STAC), virtual
                    (mosaics as one VRT), virtual_file (VRTs, checked), remote, upstream
raster              one version of it, by origin (files, members, sidecars); watch follows them
placement           rasters north-up, in one piece, and on the Earth: by virtual rasters
handles             a bounded pool of open ones, each used by one thread at a time
source, aligned     canonical blocks on a zoom's grid, filling where there is no data
memo                the memory of blocks that all sources share
"""
