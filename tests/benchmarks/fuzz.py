"""`make fuzz`: bad input by the thousand against a real server of the demo scene.

It also serves rasters of every kind of values and number of bands, in files with odd names. A
quarter of the requests comes from schemathesis (the OpenAPI document, valid and invalid), a quarter
from hypothesis (addresses of tiles), a quarter asks every source for what it may or may not be able
to show (requests_drawn), a quarter is written by hand (hostile). Every answer is held to the same
rules (judge); breaches are printed, and make the command fail.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy

from tests.benchmarks import hostile
from tests.benchmarks.judge import Judge
from tests.benchmarks.kinds import write_kinds
from tests.benchmarks.requests_drawn import documented_requests, source_requests, tile_requests
from tests.support.server import Service, running

CONFIG = Path(__file__).parents[2] / "deploy" / "demo" / "overzoom.yaml"


def drive(
    strategy: SearchStrategy[hostile.Request], act: Callable[[hostile.Request], None],
    count: int, number: int,
) -> None:  # fmt: skip
    """Draw so many requests, the same ones for the same number, and act on each."""

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet)  # fmt: skip
    @given(strategy)
    def one(request: hostile.Request) -> None:
        act(request)

    # what takes no parameters has no invalid ones
    with warnings.catch_warnings(), suppress(Unsatisfiable):
        warnings.simplefilter("ignore")  # of generators, about what they can draw
        one()


def fuzz(server: Service, count: int, number: int = 0) -> Judge:
    """At least so many requests, a quarter of each kind."""
    judge = Judge(server.url)
    by_hand = list(hostile.requests())
    step = max(1, len(by_hand) * 4 // count)
    for request in by_hand[number % step :: step]:
        judge.ask(request)
    drive(tile_requests(), judge.ask, count // 4, number)
    drive(source_requests(server.get("/sources.json").json()), judge.ask, count // 4, number)
    operations = documented_requests(server.get("/openapi.json").json(), server.url)
    turn = number
    while (missing := count - judge.statuses.total()) > 0:
        for operation in operations:
            drive(operation, judge.ask, max(2, missing // len(operations)), turn)
        turn += 1
    return judge


def write_config(folder: Path) -> Path:
    """The demo's configuration and a source of every kind."""
    sources = {**yaml.safe_load(CONFIG.read_text())["sources"], **write_kinds(folder / "kinds")}
    for source in sources.values():
        source["path"] = str(CONFIG.parent / source["path"])
    path = folder / "overzoom.yaml"
    path.write_text(yaml.safe_dump({"sources": sources}))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        config = write_config(Path(name))
        with running("--config", config, "--threads", "1", cache=Path(name) / "cache") as server:
            judge = fuzz(server, options.requests, options.seed)
            assert server.get("/readyz").status_code == 200
            assert server.get(hostile.TILE).status_code == 200
    for breach, times in judge.breaches.most_common():
        print(f"{times} x {breach}")
    quantiles = statistics.quantiles(judge.seconds, n=1000)
    print(f"{judge.statuses.total()} answers: " + ", ".join(
        f"{times} x {status}" for status, times in sorted(judge.statuses.items())))  # fmt: skip
    print(
        f"{len(judge.breaches)} kinds of breach; median {quantiles[499] * 1000:.1f} ms, "
        f"99.9 % within {quantiles[998]:.2f} s, slowest {max(judge.seconds):.2f} s"
    )
    return 1 if judge.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
