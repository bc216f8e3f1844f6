"""Options of commands whose blocks a Ray cluster can make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tileserver.offline.pools import Cluster

Command = TypeVar("Command", bound=Callable[..., Any])


def cluster_options(command: Command) -> Command:
    """--ray, and what each worker gets."""
    for option in (
        click.option(
            "--gpus-per-worker",
            type=click.FloatRange(0),
            help="GPUs of each worker, or a share of one.  [1 with --device cuda, else 0]",
        ),
        click.option(
            "--cpus-per-worker",
            type=click.IntRange(1),
            help="CPUs of each worker, and threads of its denoiser.  [1]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1),
            help="Processes on the Ray cluster.  [as many as it has room for]",
        ),
        click.option(
            "--ray",
            metavar="ADDRESS",
            help="Work on the Ray cluster at HOST:PORT, or auto: this machine's or the job's.",
        ),
    ):
        command = option(command)
    return command


def take_cluster_options(options: dict[str, Any]) -> dict[str, Any]:
    """Take these options out of a command's; raises click.UsageError where they do not fit."""
    names = ("ray", "workers", "cpus_per_worker", "gpus_per_worker")
    taken = {name: options.pop(name) for name in names}
    if taken["ray"] is None and any(value is not None for value in taken.values()):
        raise click.UsageError("--workers, --cpus-per-worker and --gpus-per-worker need --ray")
    if taken["ray"] is not None and options["threads"] is not None:
        raise click.UsageError("--threads cannot be combined with --ray; use --cpus-per-worker")
    return taken


def cluster_of(taken: dict[str, Any], device: str) -> Cluster | None:
    """The cluster of these options, for workers that draw on a device; None without --ray."""
    from tileserver.offline.pools import Cluster

    if taken["ray"] is None:
        return None
    gpus = taken["gpus_per_worker"]
    if gpus is None:
        gpus = 1 if device.startswith("cuda") else 0
    return Cluster(taken["ray"], taken["workers"], taken["cpus_per_worker"] or 1, gpus)
