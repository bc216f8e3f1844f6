"""Pictures of every zoom, drawn a window at a time."""
