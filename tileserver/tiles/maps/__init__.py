"""Maps of any area, at any size: put together from the tiles that the server draws and caches.

reference_systems   codes of coordinate reference systems, and the order of their axes
area                a box of one system, and its pixels
fitting             an area on a grid: which zoom fits it, and which of that zoom's pixels it shows
request             AskedMap -> resolve_map -> MapRequest: the tiles that it is made from, its ETag
mosaic              decoded tiles put together, cropped where their pixels are the map's own, else
                    resampled
service             MapRequest -> tiles (from the cache, or drawn) -> mosaic -> bytes
"""
