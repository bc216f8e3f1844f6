"""What processes take of the machine's cores."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: int) -> float:
    """Of one process, since it began."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children_of(process: int) -> list[int]:
    """Processes that it started and that run."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


class Share:
    """From now on: how many cores some processes keep busy, and how many all others do."""

    def __init__(self, processes: Iterable[int]) -> None:
        self._processes = list(processes)
        self._began = _uptime_seconds(), self._own(), _machine_seconds()

    def own(self) -> float:
        """Seconds of a core, of the processes together."""
        return self._own() - self._began[1]

    def own_cores(self) -> float:
        return self.own() / self._elapsed()

    def other_cores(self) -> float:
        """Of all other processes, and of what the machine's host takes."""
        busy = _machine_seconds() - self._began[2]
        return max(0.0, busy - self.own()) / self._elapsed()

    def _own(self) -> float:
        return sum(cpu_seconds(process) for process in self._processes)

    def _elapsed(self) -> float:
        return max(1 / TICKS, _uptime_seconds() - self._began[0])


def _uptime_seconds() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def _machine_seconds() -> float:
    """That all cores have worked or were taken by the host, since the machine began."""
    user, nice, system, _idle, _waits, *interrupts_and_stolen = (
        int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    )
    return (user + nice + system + sum(interrupts_and_stolen)) / TICKS
