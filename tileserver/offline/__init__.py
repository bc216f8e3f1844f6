"""Work without a server: prerendering, exports, purging, whole rasters."""
