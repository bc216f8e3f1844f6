"""The snippets for QGIS in QGIS itself, without a window: `make qgis`.

It comes from the system's packages (python3-qgis) and runs in the system's Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np
from morecantile import Tile
from PIL import Image

from tests.support.server import Server, running
from tests.support.tiles import WEB_MERCATOR, decoded, path_of

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "overzoom.yaml"
DRAWING = Path(__file__).with_name("desktop_drawing.py")
SYSTEM_PYTHON = os.environ.get("QGIS_PYTHON", "/usr/bin/python3")
ZOOMS = (18, 19, 20, 21, 22)
LEVELS = 0.5
"""How far QGIS may be from the tiles in the mean; 3.22 draws them exactly."""


def main() -> int:
    """Draw a tile of each zoom by each snippet; 1 where one differs from the server's."""
    with (
        tempfile.TemporaryDirectory() as name,
        running("--config", DEMO, cache=Path(name) / "cache") as server,
    ):
        answer = httpx.get(f"{server.url}/yellowstone/embed.json").json()
        texts = {one["id"]: one["text"] for one in answer if one["id"].startswith("qgis")}
        found = [
            check(server, Path(name), id, text, zoom)
            for id, text in texts.items()
            for zoom in ZOOMS
        ]
    return 0 if found and all(found) else 1


def check(server: Server, folder: Path, id: str, text: str, zoom: int) -> bool:
    """Whether QGIS draws the tile in the scene's middle as it is."""
    tile = WEB_MERCATOR.tile(-110.643554, 44.955993, zoom)
    expected = decoded(server.get(path_of(tile)).content)[..., :3].astype(float)
    drawn, attribution = draw(folder, text, tile)
    difference = float(np.abs(drawn - expected).mean())
    fine = difference <= LEVELS and "NEON" in attribution
    print(f"{id} zoom {zoom}: {difference:.2f} levels from the tile, {attribution!r}")
    return fine


def draw(folder: Path, text: str, tile: Tile) -> tuple[np.ndarray, str]:
    """A tile's ground drawn by QGIS, (256, 256, 3), and the layer's attribution."""
    wanted = {"snippet": text, "bounds": list(WEB_MERCATOR.xy_bounds(tile)), "side_px": 256}
    picture = folder / "drawn.png"
    picture.unlink(missing_ok=True)
    done = subprocess.run(
        [SYSTEM_PYTHON, DRAWING, picture],
        input=json.dumps(wanted),
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0 or not picture.exists():
        raise SystemExit(f"QGIS failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
    return np.asarray(Image.open(picture).convert("RGB"), dtype=float), done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
