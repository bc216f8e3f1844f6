"""Sources by id, each in its files' current version.

catalogue, opener, layers: sources, how one is opened, and what its tiles are drawn from on each
grid. watch: polls files for changes. coverage, description: where a source has data, and its
summary. catalogue_reader, counting, stored_pixel: reads for titiler's routes and for inspect.
probing: whether results depend on the window's shape on this device.
"""
