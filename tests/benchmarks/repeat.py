"""`make test-repeat`: tests again and again, in random order, while the cores are busy.

Prints what failed how often; the exit status is 1 where anything did. By default the tests that
have a browser, a server or a thread in them (the mark `live`) and are not slow.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

BUSY_LOOPS = 2
"""By default as many as a small machine has cores."""
CHOSEN = ("-m", "live and not slow")
FIRST_ORDER = 1


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="make test-repeat")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--busy-loops", type=int, default=BUSY_LOOPS, help="0: idle cores")
    parser.add_argument("chosen", nargs="*", help="arguments of pytest")
    options = parser.parse_args()
    failed: Counter[str] = Counter()
    broken = 0
    with busy_loops(options.busy_loops):
        for order in range(FIRST_ORDER, FIRST_ORDER + options.times):
            began = time.monotonic()
            status, failures = run(order, options.chosen or CHOSEN)
            broken += status not in (0, 1)
            failed.update(failures)
            spent = time.monotonic() - began
            print(f"order {order}: {len(failures)} failed, {spent:.0f} s", flush=True)
    for name, count in failed.most_common():
        print(f"{count:4} of {options.times}  {name}")
    print(f"{sum(failed.values())} failures of {len(failed)} tests in {options.times} runs")
    return int(bool(failed) or broken > 0)


def run(order: int, chosen: tuple[str, ...] | list[str]) -> tuple[int, list[str]]:
    """pytest's exit status, and the tests that failed in an order."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal"]
        command += ["-p", "randomly", f"--randomly-seed={order}", f"--junit-xml={report}", *chosen]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stdout[-4000:], done.stderr[-1000:])
        cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
        wrong = [case for case in cases if {"failure", "error"} & {part.tag for part in case}]
        return done.returncode, [f"{case.get('classname')}::{case.get('name')}" for case in wrong]


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep so many processes that take what they can get of the processor."""
    loop = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(loop) for _ in range(count)]
    try:
        yield
    finally:
        for process in loops:
            process.kill()
            process.wait()


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(main())
