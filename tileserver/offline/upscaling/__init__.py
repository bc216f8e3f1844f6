"""`overzoom upscale`: a whole raster super-resolved on its own grid, in bounded memory.

    options               command line options
    jobs                  one raster, or those of a folder
    scene                 the raster, upright (orientation): its values and their validity
    condition -> drawing  blocks of the picture and of its uncertainty (engine); alpha separately
    parts                 a block is one file in OUT.parts/, drawn by whichever worker of a pool
    strips                a row of blocks is joined to one file, written atomically
    mosaic                all strips -> OUT, with the source's metadata

description, placement: a file's band metadata and georeferencing. target, compression: the files to
write, and whether they exist already. command: the whole run. arrays: all of
it for Python, without files.

An interrupted run resumes at the first missing block; with other settings, or on another kind of
device, it starts again. The pixels are those of the tile server's engine: zoom k of a pyramid whose
native zoom is the raster itself, so every 2x2 mean is the pixel above it.
"""

from tileserver.offline.upscaling.command import upscale
from tileserver.offline.upscaling.jobs import Job, list_jobs
from tileserver.offline.upscaling.options import Upscaling, parse_options

__all__ = ["Job", "Upscaling", "list_jobs", "parse_options", "upscale"]
