"""Maps of any area: OGC API Maps (ogc_map) and WMS (wms), from one path (answers)."""
