"""One tile, from what is asked for to its bytes, in the order of its modules.

request      AskedTile -> resolve_request -> TileRequest, or the error that says why not
             (rendering_checks: which bands and colours a source can have)
key          TileRequest -> TileKey: where the cache has it, its ETag (versions)
service      key -> store -> one computation a key, in the process and in the cluster
drawing      TileRequest -> pixels: read in threads of the source (readers, pixels), drawn on the
             one device (scheduler, draw_queue, neighbours); clock: how long each stage took
tile_store   pixels -> bytes -> store: by the rendering (levels, colormaps, deviation), encoded
             (encoding; geotiff: missing data marked as GIS programs know it; tags: whose imagery)
maps         areas of any size, put together from tiles
"""
