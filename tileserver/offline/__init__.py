"""Commands that work without a server.

prerendering: fills the cache. exporting (archives): MBTiles and PMTiles from the cache. purging:
statistics and removal. area: which tiles cover a box or a source. check_config. upscaling: whole
rasters.
"""
