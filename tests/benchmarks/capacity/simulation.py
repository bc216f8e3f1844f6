"""A discrete-event simulation of servers and viewers, with the server's own queue.

    viewers     pan at random moments; a pan asks for VIEW tiles, all cached or none
    balancer    5 x 5 tiles of a zoom go to the same replica (deploy/nginx.conf)
    front       of each replica: a request at a time, in the order of arrival; so many at most
    Redis       of all replicas: a call at a time
    readers     of each replica: two at a time, as the server's for one source
    queue       of each replica: tileserver's DrawQueue itself, with its room, merging and refusals
    device      of each replica: draws what the queue gives, as a linear function of its tiles
    encoders    of each replica: two at a time
    cores       of each replica: shared by front, readers, device and encoders, thread by thread

Replicas are alike, so a few of them stand for all: each has its share of the viewers, and Redis
takes as much longer as there are replicas that are not simulated.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

from tests.benchmarks.capacity.cores import Cores, Events, Line
from tests.benchmarks.capacity.load import VIEW, Costs, Load, Outcome, Pan, pans
from tests.benchmarks.capacity.replica import Replica, Request

BLOCK = 5
SIMULATED_REPLICAS = 4
MANY = 50.0
"""Tiles a second asked of a replica, from which one is simulated: its load says enough."""
MOST_REQUESTS = 40_000
"""Requests simulated at most; beyond, the load on a replica is cut, and counts as refused."""


class Simulation:
    """One run; deterministic by its seed."""

    def __init__(self, costs: Costs, load: Load, seed: int = 0) -> None:
        self.load, self.seed, self.random = load, seed, random.Random(f"places {seed}")
        self.events, self.outcome = Events(), Outcome(load)
        many = load.offered / load.replicas > MANY
        simulated = 1 if many else min(load.replicas, SIMULATED_REPLICAS)
        self.outcome.scale = load.replicas / simulated
        self.redis = Line(Cores(self.events, 1.0, load.seconds))
        slower = costs.redis_seconds * self.outcome.scale
        costs = replace(costs, redis_seconds=slower)
        self.replicas = [Replica(self.events, costs, load, self.redis) for _ in range(simulated)]

    def run(self) -> Outcome:
        """Until every request that arrived is answered or refused."""
        share = 1 / self.outcome.scale
        most = MOST_REQUESTS / (self.load.offered * share * self.load.seconds)
        self.outcome.cut = min(1.0, most)
        for pan in pans(self.load, share * self.outcome.cut, self.seed):
            self._plan(pan)
        self.events.run()
        self._note_busy()
        return self.outcome

    def _plan(self, pan: Pan) -> None:
        self.events.later(pan.due, lambda: self._ask(pan.cached))

    def _ask(self, cached: bool) -> None:
        row, col = self.random.randrange(2**20), self.random.randrange(2**20)
        for down, across in itertools.product(range(VIEW[1]), range(VIEW[0])):
            tile = (row + down, col + across)
            block = tile[0] // BLOCK, tile[1] // BLOCK
            replica = self.replicas[hash(block) % len(self.replicas)]
            replica.arrive(Request(tile, cached, self.events, self.outcome))

    def _note_busy(self) -> None:
        shares = [replica.busy_shares() for replica in self.replicas]
        for name in shares[0]:
            self.outcome.busy[name] = sum(one[name] for one in shares) / len(shares)
        self.outcome.busy["Redis"] = self.redis.busy_seconds / self.load.seconds
