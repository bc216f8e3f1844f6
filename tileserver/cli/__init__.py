"""The command `overzoom`."""
