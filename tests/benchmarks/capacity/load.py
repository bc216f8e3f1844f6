"""What the simulation is given, and what it gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

VIEW = (3, 2)
"""Tiles across and down that a pan asks for."""
VIEW_TILES = VIEW[0] * VIEW[1]
RESOURCES = ("cores", "device", "front", "readers", "encoders", "Redis")


@dataclass(frozen=True)
class Costs:
    """Seconds of work, of one core, and the cores that there are for it."""

    draw_seconds: float
    """Of a window, whatever its size."""
    tile_seconds: float
    """Of each tile in it."""
    read_seconds: float
    """Of reading what a tile's drawing needs of the source."""
    encode_seconds: float
    """Of encoding and storing a tile, and whatever else a new one takes."""
    hit_seconds: float
    """The front's (the event loop's), of a request."""
    redis_seconds: float
    """Redis's, of a call."""
    client_seconds: float = 0.0
    """Of a request's sender, where it shares the server's cores."""
    cores: float = 2.0
    """Of a server: less than the machine's where other processes have their share."""
    threads: int = 2
    """That draw, all at once."""

    @property
    def drawn_seconds(self) -> float:
        """Of a tile in the largest window, from reading to storing."""
        drawn = self.tile_seconds + self.draw_seconds / Load.merged_tiles
        return drawn + self.read_seconds + self.encode_seconds + self.hit_seconds


@dataclass(frozen=True)
class Load:
    """Viewers, servers, and the servers' settings."""

    viewers: float
    replicas: int
    hit_ratio: float = 0.9
    pan_seconds: float = 4.0
    """Between a viewer's pans, in the mean."""
    seconds: float = 60.0
    """How long viewers arrive."""
    deadline_seconds: float = 20.0
    queue_tiles: int = 256
    merged_tiles: int = 16
    requests: int = 2048

    @property
    def offered(self) -> float:
        """Tiles asked for a second."""
        return self.viewers / self.pan_seconds * VIEW_TILES


class Pan(NamedTuple):
    """A viewer asks for a view."""

    due: float
    """In seconds from the start."""
    cached: bool


def pans(load: Load, share: float = 1.0, seed: int = 0) -> Iterator[Pan]:
    """The pans of a share of the viewers, at random moments; the same for the same seed."""
    chance, due = random.Random(seed), 0.0
    while (due := due + chance.expovariate(share * load.offered / VIEW_TILES)) < load.seconds:
        yield Pan(due, chance.random() < load.hit_ratio)


@dataclass
class Outcome:
    """What became of the requests."""

    load: Load
    arrived: int = 0
    answered: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    """Of all answered requests, in seconds."""
    made_waits: list[float] = field(default_factory=list)
    """Of those whose tiles were made."""
    in_time: int = 0
    """Requests answered while viewers still arrived."""
    cut: float = 1.0
    """Share of the load that was simulated."""
    scale: float = 1.0
    """Replicas for each that was simulated."""
    busy: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RESOURCES, 0.0))
    """Share of the time that each resource worked."""

    @property
    def tiles_per_second(self) -> float:
        """Answered by all replicas while viewers arrived."""
        return self.in_time * self.scale / self.load.seconds

    @property
    def refused_share(self) -> float:
        return 1 - self.answered / self.arrived * self.cut if self.arrived else 0.0

    def wait(self, quantile: float) -> float:
        return float(np.quantile(self.waits, quantile)) if self.waits else 0.0

    @property
    def bottleneck(self) -> str:
        """The resource that is busiest, with its share of the time; cores before who uses them."""
        name = max(RESOURCES, key=lambda one: round(self.busy[one], 2))
        return f"{name} {min(1.0, self.busy[name]):.0%}"
