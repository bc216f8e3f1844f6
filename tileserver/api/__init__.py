"""What is answered below a source's id, and the server's documents and pages.

factory          a source's routes, in five routers; a new one goes into the one whose rule it wants
source_route     what a route checks of every request, and in which threads it runs; of titiler's
                 own routes titiler_route, of protocols with error documents reported_route, of
                 tiles tile_route
tiles            XYZ and OGC tiles; arcgis, uncertainty: those of other kinds
tile_response    from a checked request to the answer and its headers; fallback: drawn too late
etag             whether a client already has what it asks for
inspect          one pixel
parameters       bounds of parameters that several routes take; tile_parameters,
                 rendering_parameters: those of tiles; titiler_limits: sizes of titiler's;
                 written_parameters: those that openapi.json lists for routes that read them
                 themselves
wmts_service     WMTS by keys and values
maps/            maps of any area, WMS
documents/       TileJSON, styles, OGC documents, the viewer and other pages, all routes (openapi:
                 a new path needs one of its TOPICS)

Who may ask for a source is decided before any route (middleware.api_keys): by the first part of
the path. Health and metrics are registered by process.health and metrics.
"""
