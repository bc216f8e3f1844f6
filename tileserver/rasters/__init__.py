"""What a raster says of itself: its place, its bands, the range of its values."""
