"""`make workers`: cached tiles a second of one worker and of two, in turns.

wrk asks for them, which takes a few per cent of a core. Two workers on two idle cores are to send
1.7 times as many. Where they do not, the last lines say who had the cores, and what two servers
that share nothing send, and how much two loops do: more than the machine gives cannot be had.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.processors import Share, children_of
from tests.support.rasters import SCENE
from tests.support.server import Server, running

PATH = "/yellowstone/20/202015/377380.webp"
CONNECTIONS = 24
"""So many that each worker has some: the system deals them out by chance."""
TURNS = 6
TURN_SECONDS = 5
GOAL = 1.7
LOOP = """
import time
end, done = time.perf_counter() + 4, 0
while time.perf_counter() < end:
    sum(range(1000))
    done += 1
print(done)
"""
"""Work of a core that shares nothing but the processor."""


class Turn(NamedTuple):
    """Tiles a second, and the cores that were busy meanwhile."""

    rate: float
    server_cores: float
    client_cores: float
    other_cores: float


@dataclass
class Side:
    """A server of so many workers."""

    workers: int
    server: Server
    turns: list[Turn] = field(default_factory=list)

    def take_turn(self) -> None:
        process = self.server.process.pid
        share, before = Share([process, *children_of(process)]), _children_seconds()
        rate = _ask(self.server)
        client = (_children_seconds() - before) / TURN_SECONDS
        others = max(0.0, share.other_cores() - client)
        self.turns.append(Turn(rate, share.own_cores(), client, others))

    @property
    def median(self) -> Turn:
        return Turn(*map(statistics.median, zip(*self.turns, strict=True)))

    @property
    def tile_seconds(self) -> float:
        """Of a core."""
        return self.median.server_cores / self.median.rate


def main() -> None:
    config = SCENE.with_name("overzoom.yaml")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:

        def start(cache: str, workers: int) -> Server:
            arguments = ("--config", config, "--workers", str(workers))
            return stack.enter_context(running(*arguments, cache=Path(name) / cache))

        one, two = (Side(workers, start(str(workers), workers)) for workers in (1, 2))
        other = start("other", 1)
        servers, loops = [], []
        for turn in range(TURNS + 1):
            for side in (one, two) if turn % 2 else (two, one):
                side.take_turn()
            servers.append(_ask(one.server, other) / one.turns[-1].rate)
            loops.append(_loop(2) / _loop(1))
        for side in (one, two):
            del side.turns[0]  # fills the memory of each worker
            _print(side)
        _print_ratio(one, two)
    print(f"two servers that share nothing: {statistics.median(servers[1:]):.2f} times one")
    print(f"two loops that share nothing: {statistics.median(loops[1:]):.2f} times one")


def _ask(*servers: Server) -> float:
    """Tiles a second of servers that are asked at the same time."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{TURN_SECONDS}s"]
    asking = [
        subprocess.Popen([*command, f"{server.url}{PATH}"], stdout=subprocess.PIPE, text=True)
        for server in servers
    ]
    total = 0.0
    for process in asking:
        out, _ = process.communicate()
        rate = re.search(r"Requests/sec:\s+([0-9.]+)", out)
        assert process.returncode == 0, out
        assert rate is not None, out
        assert "Non-2xx" not in out, out
        total += float(rate[1])
    return total


def _loop(processes: int) -> int:
    """What so many processes do at the same time, in turns of a loop."""
    command = [sys.executable, "-c", LOOP]
    loops = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(int(loop.communicate()[0]) for loop in loops)


def _children_seconds() -> float:
    """Seconds of a core of all processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _print(side: Side) -> None:
    turn = side.median
    print(f"{side.workers} worker(s): {turn.rate:7,.0f} cached tiles/s, ", end="")
    print(f"{side.tile_seconds * 1000:.2f} ms of a core each; cores busy: ", end="")
    print(f"server {turn.server_cores:.2f}, wrk {turn.client_cores:.2f}, ", end="")
    print(f"other processes {turn.other_cores:.2f}")


def _print_ratio(one: Side, two: Side) -> None:
    turns = zip(one.turns, two.turns, strict=True)
    ratio = statistics.median(second.rate / first.rate for first, second in turns)
    print(f"ratio {ratio:.2f} (goal on two idle cores: {GOAL})")
    if ratio < GOAL:
        turn = two.median
        alone = 2 * one.tile_seconds / two.tile_seconds
        print(f"limited by the cores: two workers had {turn.server_cores:.2f}, wrk", end=" ")
        print(
            f"{turn.client_cores:.2f}, other processes {turn.other_cores:.2f}. With a core", end=" "
        )
        print(f"each they would send {alone:.2f} times as many, by what a tile takes.")


if __name__ == "__main__":
    main()
