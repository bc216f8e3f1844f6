"""rio-tiler's reader with Overzoom's picture, for any titiler app and for scripts.

reader      SuperResolvedReader: which reads are drawn, and which are rio-tiler's own
options     a read's bands and rio-tiler's options
resampling  parts, previews and points, read by rio-tiler from what is drawn
picture     the zoom that a read needs, and its pixels
engine      what readers of one class share: checkpoint, device, rasters
"""

from tileserver.reader.options import UnsupportedOption
from tileserver.reader.reader import SuperResolvedReader

__all__ = ["SuperResolvedReader", "UnsupportedOption"]
