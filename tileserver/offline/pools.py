"""Where the blocks of offline work are made: in this process, or by workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tileserver.errors import CommandError

Block = TypeVar("Block")
Result = TypeVar("Result")


class Pool(Protocol):
    """Makes blocks."""

    def run(
        self, make: Callable[[Block], Result], blocks: Iterable[Block]
    ) -> Generator[Result, None, None]:
        """One result a block, in the order in which blocks are finished.

        make: idempotent, as a lost worker's blocks are made again. Workers get it pickled: what it
        has open, it opens again where it is unpickled. Blocks are taken from the iterable only as
        workers become free. Closing the generator ends the workers. Raises what make raises.
        """


class LocalPool:
    """Makes blocks one after the other in this process."""

    def run(
        self, make: Callable[[Block], Result], blocks: Iterable[Block]
    ) -> Generator[Result, None, None]:
        """As Pool.run; make is not pickled."""
        yield from map(make, blocks)


LOCAL = LocalPool()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster, and what each worker gets of it."""

    address: str
    """As ray.init takes it: HOST:PORT, or "auto" for the one that this machine belongs to."""
    workers: int | None = None
    """Default: as many as the cluster has room for when the run starts."""
    worker_cpus: int = 1
    """Also the number of threads of a worker's denoiser."""
    worker_gpus: float = 0


def open_pool(cluster: Cluster | None) -> AbstractContextManager[Pool]:
    """The pool of a cluster, connected until the end of the context; None: this process.

    Raises CommandError where Ray is not installed, or the cluster does not answer.
    """
    if cluster is None:
        return nullcontext(LOCAL)
    try:
        from tileserver.offline.ray_pool import RayPool
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise CommandError("--ray: Ray is not installed; pip install 'overzoom[ray]'") from error
    return RayPool(cluster)
