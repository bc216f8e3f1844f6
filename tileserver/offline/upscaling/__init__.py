"""`overzoom upscale`: a whole raster super-resolved on its own grid, in bounded memory.

    options             what is asked for
    scene               the raster the right way up (orientation): values, where there are any
    condition -> drawing (engine): blocks of the picture and of its uncertainty; alpha beside it
    strips              a row of blocks a file in OUT.parts/, each written whole or not at all
    mosaic              all strips -> OUT, with what the source says of itself

description, placement: what a file says of its bands and of its place. target: the files to
write, and those that are there already. command: all of it in order.

A run that was stopped resumes with the first strip that is missing; a run with other settings, or
on another kind of device, begins anew. The pixels are those of the tile server's engine: zoom k of
a pyramid whose native zoom is the raster itself, so every 2x2 mean is the pixel above it.
"""

from tileserver.offline.upscaling.command import upscale
from tileserver.offline.upscaling.options import Upscaling, parse_options

__all__ = ["Upscaling", "parse_options", "upscale"]
