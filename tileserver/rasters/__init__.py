"""A raster's metadata, as inspected: its place, its bands, the range of its values.

settings -> locating -> an origin -> inspection -> Raster (raster) -> opening -> handles

locating      from settings to a raster of one version. upstream: a tile service. virtual: several
              rasters as one; parts: its members. virtual_file: a .vrt from the configuration
inspection    placement: georeferencing, made alike for all. longitudes: past 180 degrees.
              band_roles: picture, alpha, nodata. validity: where there is data. value_range: what
              is black and white. palette: colour tables
on a grid     footprint: extent in degrees and on a grid, native zoom. ground: pixel sizes in metres
"""
