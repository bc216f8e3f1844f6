"""`make faults`: what goes wrong in production, done to real servers; a table of what came of it.

Every fault ends in the same two questions: was there ever a wrong or half tile, and does the
server serve all tiles again without hands? Ends with status 1 where the answer is not right.
KILLS=50 is how often the server is killed in mid-write.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.cache_faults import (
    damaged,
    full,
    full_disk,
    hanging_cache,
    killed,
    redis_killed,
)
from tests.benchmarks.site import Outcome, Site, prepared
from tests.benchmarks.source_faults import deleted, half_copied, hanging, replaced


def main() -> None:
    kills = int(os.environ.get("KILLS", "50"))
    faults: dict[str, Callable[[Site], Outcome]] = {
        "server killed in mid-write": lambda site: killed(site, kills),
        "cache files damaged": damaged,
        "files may not grow": full,
        "disk full": full_disk,
        "raster replaced": replaced,
        "raster deleted": deleted,
        "raster hangs": hanging,
        "disk cache hangs": hanging_cache,
        "member of a mosaic half copied": half_copied,
        "Redis killed": redis_killed,
    }
    fine = True
    with tempfile.TemporaryDirectory() as name:
        site = prepared(Path(name))
        print(f"{len(site.clean)} tiles, each compared with a clean server's", flush=True)
        for fault, act in faults.items():
            began = time.monotonic()
            outcome = act(site)
            mark = "FAIL" if outcome.wrong else "ok  "
            spent = time.monotonic() - began
            print(f"{mark} {fault:31} {outcome.figures} ({spent:.0f} s)", flush=True)
            for line in outcome.wrong[:10]:
                print(f"       {line}")
            fine &= not outcome.wrong
    sys.exit(not fine)


if __name__ == "__main__":
    main()
