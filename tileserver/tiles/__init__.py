"""One tile: request, key, cache, pixels, bytes."""
