"""rio-tiler's reader with Overzoom's tiles, for any titiler app and for scripts."""

from tileserver.reader.reader import SuperResolvedReader, UnsupportedOption

__all__ = ["SuperResolvedReader", "UnsupportedOption"]
