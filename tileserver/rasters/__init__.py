"""What a raster says of itself: its place, its bands, the range of its values.

settings -> locating -> an origin -> inspection -> Raster (raster) -> opening -> handles
"""
