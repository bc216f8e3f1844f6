"""Commands that work without a server.

prerendering: fills the cache, block by block (making). pools: where blocks are made, here or on a
Ray cluster (ray_pool). exporting (archives): MBTiles and PMTiles from the cache. purging:
statistics and removal. area: which tiles cover a box or a source. check_config. upscaling: whole
rasters.
"""
