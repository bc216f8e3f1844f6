"""What clients read before they ask for tiles: TileJSON, WMTS, OGC API Tiles, pages."""
