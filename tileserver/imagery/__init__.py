"""A raster's pixels on the grid of a zoom, read alike for every window."""
