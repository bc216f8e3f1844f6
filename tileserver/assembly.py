"""From settings to what makes tiles: the catalogue, and the service on top of it."""

from __future__ import annotations

from math import inf

import morecantile

from cache import Tiered
from engine.errors import CheckpointError
from tileserver.catalogue.catalogue import Catalogue
from tileserver.checkpoints import local_checkpoint
from tileserver.errors import StartupError
from tileserver.metrics import Metrics
from tileserver.settings.server import Settings
from tileserver.stores import open_cluster
from tileserver.tiles.scheduler import Scheduler
from tileserver.tiles.service import TileService


def open_catalogue(settings: Settings, *, every: bool = True) -> Catalogue:
    """Checkpoint and sources; raises StartupError in one line.

    every: whether each source must open; else any does.
    """
    try:
        checkpoint = local_checkpoint(settings.checkpoint, settings.device)
    except CheckpointError as error:
        raise StartupError(str(error)) from error
    return Catalogue(settings, checkpoint, morecantile.tms, every=every)


def open_tile_service(
    catalogue: Catalogue, store: Tiered, metrics: Metrics | None = None, *, sheds: bool = True
) -> TileService:
    """The path of a tile, for a server and for commands that make tiles as it does.

    sheds: tiles that would come too late are refused, as viewers want it; commands wait for all.
    """
    settings, metrics = catalogue.settings, metrics or Metrics()
    scheduler = Scheduler(
        settings.queue_tiles if sheds else inf,
        settings.merged_tiles,
        settings.deadline_seconds if sheds else inf,
        batched_windows=settings.batched_windows or (1 if settings.device == "cpu" else 16),
        record_waits=metrics.observe_drawn,
    )
    cluster = open_cluster(settings.cache, store)
    return TileService(catalogue, store, scheduler, cluster=cluster, metrics=metrics)
