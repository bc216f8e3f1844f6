"""Tiles that are kept: the tiers of the cache, made before anybody asks, cleared, taken along.

tiers               memory, disk, Redis, object store, leases, from the settings
prerendering        an area, through the server's own path; prerender_command
purging, exporting  by source, area and zooms; archives (MBTiles, PMTiles); cache_commands
area, options       places and zooms on a command line
"""
