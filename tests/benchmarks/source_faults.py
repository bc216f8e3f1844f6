"""Faults of the rasters that are served."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.site import (
    RECOVERY_SECONDS,
    SOURCE,
    Outcome,
    Site,
    asked,
    drawn,
    mirrored,
    others_served,
    recovered,
)
from tests.support.waiting import LIMIT_SECONDS

HEALTH_SECONDS = 2.0
"""Longer than /healthz may take while a source hangs."""


def replaced(site: Site) -> Outcome:
    """The raster is replaced while it is served: each tile is the old one's or the new one's."""
    original = site.raster.read_bytes()
    mirrored(site.raster, site.folder / "new.tif")
    shutil.copy(site.folder / "new.tif", site.raster)
    with site.served("new") as server:
        new = drawn(server, list(site.clean))
    site.raster.write_bytes(original)
    changed, wrong, answered = [p for p in new if new[p] != site.clean[p]], [], 0
    with site.served("replaced", cache={"memory_bytes": 0}) as server:
        began, swapped, seconds = time.monotonic(), False, 0.0
        while time.monotonic() < began + RECOVERY_SECONDS:
            answers = asked(server, list(site.clean))
            answered += len(answers)
            for path, answer in answers.items():
                if answer.status_code == 200 and answer.content not in (
                    site.clean[path],
                    new[path],
                ):
                    wrong.append(f"{path}: neither the old tile nor the new one")
            if swapped and all(answers[path].content == new[path] for path in changed):
                seconds = time.monotonic() - began
                break
            if not swapped:
                os.replace(site.folder / "new.tif", site.raster)
                swapped, began = True, time.monotonic()
        else:
            wrong.append("the new raster was never served")
    site.raster.write_bytes(original)
    figures = f"{answered} answers, all of the new one after {seconds:.1f} s; {len(changed)} differ"
    return Outcome(figures, wrong)


def deleted(site: Site) -> Outcome:
    """The raster goes away and comes back; the other source does not notice."""
    aside = site.folder / "aside.tif"
    with site.served("deleted", cache={"memory_bytes": 0, "disk_bytes": 0}) as server:
        os.replace(site.raster, aside)
        time.sleep(1)
        answers = asked(server, list(site.clean))
        wrong = site.wrong_in(answers) + others_served(site, server)
        statuses = sorted({answer.status_code for answer in answers.values()})
        wrong += [f"answered {s}" for s in statuses if s not in (200, 503)]
        os.replace(aside, site.raster)
        wrong += recovered(site, server)
    return Outcome(f"meanwhile {', '.join(map(str, statuses))}, afterwards all", wrong)


def hanging(site: Site) -> Outcome:
    """The raster hangs whoever opens it, as a network drive can; then the drive is back."""
    aside, drive = site.folder / "aside.tif", site.folder / "drive"
    with site.served("hanging", cache={"memory_bytes": 0, "disk_bytes": 0}) as server:
        os.replace(site.raster, aside)
        os.mkfifo(drive)
        os.link(drive, site.raster)
        time.sleep(1)
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(asked, server, list(site.clean))
            wrong = others_served(site, server)
            slowest = max(_seconds(lambda: server.get("/healthz")) for _ in range(20))
            answers = asking.result()
        wrong += site.wrong_in(answers)
        statuses = sorted({answer.status_code for answer in answers.values()})
        wrong += [f"answered {s}" for s in statuses if s not in (200, 503)]
        os.replace(aside, site.raster)
        hung = _released(drive)
        wrong += recovered(site, server)
        server.process.terminate()
        ended = _seconds(lambda: server.process.wait(LIMIT_SECONDS))
    drive.unlink()
    if not hung:
        wrong.append("nobody hung")
    if slowest > HEALTH_SECONDS:
        wrong.append(f"/healthz took {slowest:.1f} s")
    figures = f"meanwhile {', '.join(map(str, statuses))}; /healthz {slowest * 1000:.0f} ms at most"
    return Outcome(f"{figures}; ended in {ended:.1f} s", wrong)


def half_copied(site: Site) -> Outcome:
    """A member comes to a mosaic and is half there for a while; its place is another's already."""
    parts = site.folder / "parts"
    parts.mkdir()
    content = site.raster.read_bytes()
    (parts / "a.tif").write_bytes(content)
    sources = {SOURCE: {"path": str(parts), "mosaic": True}}
    off = {"memory_bytes": 0, "disk_bytes": 0}
    with site.served("half copied", cache=off, sources=sources) as server:
        clean = drawn(server, list(site.clean))
        (site.folder / "half.tif").write_bytes(content[: len(content) // 2])
        os.replace(site.folder / "half.tif", parts / "b.tif")  # never seen empty
        named = _came_true(lambda: "b.tif: not complete" in server.log.read_text())
        answers = asked(server, list(clean))
        (parts / "b.tif").write_bytes(content)
        answers_after = asked(server, list(clean))
    wrong = [
        f"{path}: {answer.status_code}, or other bytes"
        for path, answer in [*answers.items(), *answers_after.items()]
        if answer.status_code != 200 or answer.content != clean[path]
    ]
    if not named:
        wrong.append("the log does not name it")
    return Outcome(f"{len(answers)} tiles while it was half there, all as before", wrong)


def _came_true(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds before a recovery would take too long."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def _released(fifo: Path) -> int:
    """Let everybody go who hangs in opening a FIFO; how often somebody was there."""
    seen = 0
    for _ in range(20):
        with suppress(OSError):  # ENXIO: nobody
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            seen += 1
        time.sleep(0.1)
    return seen


def _seconds(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started
