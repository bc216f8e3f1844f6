"""What every process of the command sets before it does anything."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import warnings

from tileserver.process.memory import bound_arenas

LIBRARY_ENVIRONMENT = {
    "GDAL_CACHEMAX": "200",  # MB; GDAL's own default is 5 % of the machine
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",  # what lies beside a raster is asked for by name
    # Threads of PyTorch that wait for each other sleep. By default they spin, and wherever anything
    # else runs (reading, encoding, another process) take the cores from what they wait for.
    "OMP_WAIT_POLICY": "passive",
}

WARNING_LIBRARIES = ("rasterio", "rio_tiler", "torch", "PIL")
"""Libraries that log warnings about files that are read all the same; their failures are raised."""


def set_environment() -> None:
    """Bound what libraries take of the machine; PyTorch must not have been imported yet."""
    for name, value in LIBRARY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    bound_arenas()


def pause_garbage_collection() -> None:
    """Collect nothing until resume_garbage_collection, and nothing at the end of the process.

    Libraries make a million objects, all of which stay: to look through them again and again took
    a third of the time that a command needed to start and end.
    """
    gc.disable()
    atexit.register(gc.freeze)


def resume_garbage_collection() -> None:
    """Collect what is made from now on; nothing changes where collection was not paused."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def quiet_libraries() -> None:
    """Hide warnings of libraries, which are for developers; python -W and PYTHONWARNINGS show."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for name in WARNING_LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
