"""Blocks made by the workers of a Ray cluster: the only module that imports Ray.

    driver (this process)    blocks -> at most CALLS_IN_FLIGHT calls a worker -> results
    worker (a Ray actor)     unpickles `make`, which opens what it needs; then a block a call

Blocks and results are small, and what is drawn goes to files or the cache: nothing is put into the
object store. A worker that is lost, with its node or alone, is replaced as soon as the cluster has
room, and its blocks go to whoever is free.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from typing import Any, Generic, NamedTuple, Self

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from tileserver.errors import CommandError
from tileserver.offline.pools import Block, Cluster, Result
from tileserver.process.memory import bound_arenas

logger = logging.getLogger(__name__)

CALLS_IN_FLIGHT = 2
"""Per worker: it makes one block, and has the next one at hand."""
LOSSES = 3
"""Losses per worker without any result, after which the run is given up."""
ANSWER_SECONDS = 10.0
ROOM_SECONDS = 30.0
"""How long the first worker may take to start before the log says what is waited for."""
CONFIGURATION = ("GDAL_", "CPL_", "VSI_", "OMP_WAIT_POLICY")
"""Prefixes of the environment variables that workers take over: GDAL reads and PyTorch waits by
them."""


class RayPool:
    """Makes blocks on a cluster; connected until it is closed."""

    def __init__(self, cluster: Cluster) -> None:
        """Raises CommandError where the cluster does not answer."""
        self.cluster = cluster
        try:
            _check_answers(cluster.address)
            ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        except (RayError, ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise CommandError(
                f"--ray {cluster.address}: no Ray cluster answers ({_first_line(error)})"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        ray.shutdown()

    def run(
        self, make: Callable[[Block], Result], blocks: Iterable[Block]
    ) -> Generator[Result, None, None]:
        """As Pool.run; raises CommandError where workers cannot start, or are lost repeatedly."""
        run: _Run[Block, Result] = _Run(self.cluster, pickle.dumps(make), iter(blocks))
        try:
            yield from run.results(self._count_workers())
        except RayTaskError as error:
            raise _cause_of(error) from error
        except RayError as error:
            raise CommandError(f"--ray {self.cluster.address}: {_first_line(error)}") from error
        finally:
            run.close()

    def _count_workers(self) -> int:
        cluster = self.cluster
        if cluster.workers is not None:
            return cluster.workers
        total = ray.cluster_resources()
        room = [total.get("CPU", 0) // cluster.worker_cpus]
        if cluster.worker_gpus:
            room.append(total.get("GPU", 0) // cluster.worker_gpus)
        return max(1, int(min(room)))


class _Worker:
    """In a process of its own on some node of the cluster: an actor."""

    def open(self, make: bytes, release: str, configuration: dict[str, str]) -> None:
        """Unpickle what makes blocks; raises what opening it raises."""
        own = version("overzoom")
        if own != release:
            raise CommandError(f"{_place()}: has Overzoom {own}, not {release}")
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        logger.setLevel(logging.INFO)
        os.environ.update(configuration)
        bound_arenas()
        self._make = pickle.loads(make)

    def make(self, block: Any) -> Any:
        logger.info("making %s", block)
        return self._make(block)


class _Call(NamedTuple):
    """A call under way."""

    worker: Any
    """The actor's handle."""
    block: Any
    """None while the worker opens."""


class _Run(Generic[Block, Result]):
    """One run of a pool: its workers, and who makes what."""

    def __init__(self, cluster: Cluster, make: bytes, blocks: Iterator[Block]) -> None:
        self._cluster, self._blocks = cluster, blocks
        self._make = make
        self._again: deque[Block] = deque()
        """Blocks of lost workers."""
        self._calls: dict[Any, _Call] = {}
        """By the reference of their result."""
        self._workers: list[Any] = []
        self._opened: list[Any] = []
        self._losses = 0
        """Since the last result."""

    def results(self, workers: int) -> Iterator[Result]:
        """One result a block, by so many workers or fewer, where there are fewer blocks."""
        self._again.extend(islice(self._blocks, workers))
        for _ in range(len(self._again)):
            self._start_worker()
        while self._again or any(call.block is not None for call in self._calls.values()):
            (reference,) = self._wait()
            call = self._calls.pop(reference)
            try:
                result = ray.get(reference)
            except (RayActorError, OutOfMemoryError) as error:  # the node's memory ran out
                self._replace(call, error, workers)
                continue
            if call.block is None:
                self._opened.append(call.worker)
                self._feed()
                continue
            self._losses = 0
            self._feed()
            yield result

    def close(self) -> None:
        """End all workers, and whatever they are making."""
        for worker in self._workers:
            ray.kill(worker)

    def _start_worker(self) -> None:
        cluster = self._cluster
        worker = (
            ray.remote(_Worker)
            .options(num_cpus=cluster.worker_cpus, num_gpus=cluster.worker_gpus, max_restarts=0)
            .remote()
        )
        self._workers.append(worker)
        configuration = {k: v for k, v in os.environ.items() if k.startswith(CONFIGURATION)}
        opening = worker.open.remote(self._make, version("overzoom"), configuration)
        self._calls[opening] = _Call(worker, None)

    def _wait(self) -> list[Any]:
        """The reference of a call that has ended."""
        ended: list[Any] = []
        seconds = None if self._opened else ROOM_SECONDS
        while not ended:
            ended, _ = ray.wait([*self._calls], num_returns=1, timeout=seconds)
            if not ended:
                logger.warning(
                    "no worker has started within %.0f s: the cluster has no room for one of "
                    "%d CPUs and %g GPUs, or is busy",
                    ROOM_SECONDS,
                    self._cluster.worker_cpus,
                    self._cluster.worker_gpus,
                )
                seconds = None
        return ended

    def _feed(self) -> None:
        """Give blocks to the workers, the least busy first."""
        for depth in range(1, CALLS_IN_FLIGHT + 1):
            for worker in self._opened:
                busy = sum(call.worker is worker for call in self._calls.values())
                if busy < depth and (block := self._next()) is not None:
                    self._calls[worker.make.remote(block)] = _Call(worker, block)

    def _next(self) -> Block | None:
        return self._again.popleft() if self._again else next(self._blocks, None)

    def _replace(self, call: _Call, error: RayError, workers: int) -> None:
        """Give a lost worker's block to others, and start another worker, once a lost one."""
        if call.block is not None:
            self._again.append(call.block)
        if call.worker in self._workers:
            self._losses += 1
            reason = _first_line(error)
            if self._losses > LOSSES * workers:
                raise CommandError(f"workers are lost repeatedly ({reason})") from error
            logger.warning("a worker was lost, its blocks are made again (%s)", reason)
            self._workers.remove(call.worker)
            if call.worker in self._opened:
                self._opened.remove(call.worker)
            self._start_worker()
        self._feed()


def _check_answers(address: str) -> None:
    """Raises OSError or ValueError where nobody listens; Ray itself would try for two minutes."""
    if address != "auto":
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _cause_of(error: RayTaskError) -> BaseException:
    """What a worker raised."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else CommandError(str(error))


def _place() -> str:
    return f"node {ray.util.get_node_ip_address()}"
