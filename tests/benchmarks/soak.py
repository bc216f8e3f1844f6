"""`make soak`: 16 viewers of seven sources for MINUTES (10), against a real server process.

Prints what they met, and ends with status 1 unless
- every answer was a tile, 304, 404 outside the source, or a deliberate 503 or 429;
- equal keys were always answered with equal bytes;
- every key was made once, computed or from another format: the counters equal the files in the
  cache, which holds all;
- memory is flat: what is resident between windows (the tenth percentile: arrays of a window that
  is being drawn come on top, up to 200 MiB) in the last fifth of the time within 5 % of the second.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.viewers import Ground, Tally, Viewer
from tests.support.rasters import SCENE, cut
from tests.support.server import Server, running

VIEWERS = 16
KINDS = {"deep": "uint16", "signed": "signed", "heights": "float", "near_infrared": "four"}
KINDS |= {"classes": "palette"}
"""Of tests.support.rasters, by source: types of values, numbers of bands, a colour table."""
SOURCES = ("scene", "truth", *KINDS)
ABOVE_NATIVE = 2
"""Zooms above the native one that are looked at."""
SAMPLE_SECONDS = 1.0
FLAT = 0.05
SUFFIXES = {".webp", ".png", ".jpg"}
# Small enough to be full within the first fifth: a cache that fills is no leak.
GDAL_MEGABYTES = "32"
LIMITS = {"cache": {"memory_bytes": 8 * 2**20}, "block_memory_bytes": 32 * 2**20}


def main() -> None:
    os.environ["GDAL_CACHEMAX"] = GDAL_MEGABYTES
    seconds = 60 * float(os.environ.get("MINUTES", "10"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources: dict[str, dict[str, object]] = {
            "scene": {"path": str(SCENE)},
            "truth": {"path": str(SCENE.with_name("yellowstone_10cm_truth.tif"))},
        }
        for id, kind in KINDS.items():
            sources[id] = {"path": str(cut(folder / f"{id}.tif", kind))}
        config = folder / "overzoom.yaml"
        access = {"trusted_proxies": ["127.0.0.1"]}
        config.write_text(yaml.safe_dump({"sources": sources, "access": access, **LIMITS}))
        with running("--config", config, cache=folder / "cache") as server:
            tally, resident = asyncio.run(soak(server, seconds))
            computed = computed_tiles(server)
            made = computed + converted_tiles(server)
            faults = "Traceback" in server.log.read_text()
        kept = sum(1 for file in (folder / "cache").rglob("*.*") if file.suffix in SUFFIXES)
    sys.exit(not report(tally, resident, made, kept, faults))


async def soak(server: Server, seconds: float) -> tuple[Tally, list[float]]:
    """What the viewers met, and the server's resident bytes over time."""
    grounds, tally = [ground(server, id) for id in SOURCES], Tally()
    until = time.monotonic() + seconds
    viewers = [Viewer(number, server.url, grounds, tally) for number in range(VIEWERS)]
    watching = asyncio.create_task(watch_memory(server, until))
    await asyncio.gather(watching, *(viewer.look_around(until) for viewer in viewers))
    return tally, watching.result()


def ground(server: Server, id: str) -> Ground:
    document = server.get(f"/{id}/tilejson.json").json()
    native = document["overzoom"]["native_maxzoom"]
    return Ground(id, tuple(document["bounds"]), (native - ABOVE_NATIVE, document["maxzoom"]))


async def watch_memory(server: Server, until: float) -> list[float]:
    samples = []
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        while time.monotonic() < until:
            answer = await client.get("/metrics")
            samples.append(sample(answer.text, "process_resident_memory_bytes"))
            await asyncio.sleep(SAMPLE_SECONDS)
    return samples


def computed_tiles(server: Server) -> int:
    """Once nothing runs any more."""
    before = -1.0
    while (now := sample(server.get("/metrics").text, "overzoom_computed_tiles_total")) != before:
        before = now
        time.sleep(8)  # more than a window takes
    return int(now)


def converted_tiles(server: Server) -> int:
    """Those made from another format of themselves."""
    return int(sample(server.get("/metrics").text, "overzoom_converted_tiles_total"))


def sample(text: str, name: str) -> float:
    """The sum of a figure over its labels."""
    families = text_string_to_metric_families(text)
    return sum(s.value for family in families for s in family.samples if s.name == name)


def report(tally: Tally, resident: list[float], made: int, kept: int, faults: bool) -> bool:
    """Print the figures; whether all is as it should be."""
    print(f"{'answers':24}{'number':>8}{'p50 ms':>10}{'p99 ms':>10}")
    for kind, spent in sorted(tally.milliseconds.items()):
        ranked = sorted(spent)
        p99 = ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]
        print(f"{kind:24}{len(spent):8}{statistics.median(spent):10.1f}{p99:10.1f}")
    fifth = max(2, len(resident) // 5)
    parts = resident[fifth : 2 * fifth], resident[-fifth:]
    first, last = (statistics.quantiles(part, n=10)[0] / 2**20 for part in parts)
    busy = [statistics.fmean(part) / 2**20 for part in parts]
    print(f"left before the tile came: {tally.left}; addresses asked for: {len(tally.asked)}")
    print(f"resident: {first:.0f} MiB warm, {last:.0f} MiB at the end ({last / first - 1:+.1%})")
    print(f"in the mean: {busy[0]:.0f} and {busy[1]:.0f} MiB; at most {max(resident) / 2**20:.0f}")
    some = resident[:: len(resident) // 20 or 1]
    print("MiB over time:", *(f"{resident_bytes / 2**20:.0f}" for resident_bytes in some))
    print(f"tiles computed, or made from another format: {made}; keys kept: {kept}")
    checks = {
        "every answer was in order": not tally.wrong,
        "nothing failed inside": not faults,
        "each key was made once": made == kept,
        "memory is flat": abs(last / first - 1) <= FLAT,
        "something was made": tally.answers[200] > 0 and made > 0,
    }
    for check, passed in checks.items():
        print(f"{'ok  ' if passed else 'FAIL'} {check}")
    for line in tally.wrong[:10]:
        print(f"     {line}")
    return all(checks.values())


if __name__ == "__main__":
    main()
