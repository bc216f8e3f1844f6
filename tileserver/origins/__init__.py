"""What GDAL opens, and how a change of it is noticed."""
