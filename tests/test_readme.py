"""The README's Python runs as it stands, from the folder of a clone."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from rio_tiler.io import Reader
from starlette.testclient import TestClient

from tests.support.tiles import WEB_MERCATOR, decoded

FOLDER = Path(__file__).parents[1]
HARBOUR = "deploy/demo/harbour_40cm.tif"
PLACE = 24.59005, 59.45127


def list_examples() -> list[str]:
    """The README's indented blocks that are Python."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", (FOLDER / "README.md").read_text(), re.MULTILINE)
    found = [dedent(block).strip() for block in blocks]
    return [block for block in found if block.startswith(("from ", "import "))]


def test_the_python_of_the_readme_runs_and_does_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(FOLDER)
    run: dict[str, Any] = {}  # the names that the examples make, one after another
    for example in list_examples():
        exec(compile(example, "README.md", "exec"), run)
    assert len(list_examples()) == 3
    fine, best, error = run["fine"], run["best"], run["error"]
    assert fine.shape[0] == 3
    assert fine.shape[1:] == error.shape
    assert best.shape == (3, 128, 128)
    assert error.mean() > 0
    with Reader(HARBOUR) as reader:
        box = reader.part(run["box"], dst_crs=reader.crs)
    assert fine.shape[1:] == pytest.approx((4 * box.height, 4 * box.width), abs=8)
    assert run["part"].metadata["overzoom"] == "super-resolved"
    assert "super-resolved (3, 130, 200)" in capsys.readouterr().out

    client = TestClient(run["app"])
    tile = WEB_MERCATOR.tile(*PLACE, 21)
    for ending in ("", ".png", ".webp", ".jpg"):
        path = f"/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}{ending}"
        answer = client.get(path, params={"url": HARBOUR})
        assert answer.status_code == 200, answer.text
    shown = client.get(f"{path.removesuffix('.jpg')}.png", params={"url": HARBOUR})
    levels = decoded(shown.content)[..., :3].transpose(2, 0, 1)
    assert np.array_equal(levels, run["tile"].array.data)
    outside = client.get("/tiles/WebMercatorQuad/21/0/0.png", params={"url": HARBOUR})
    assert outside.status_code == 404
    for path in ("/preview/400x300.png", "/bbox/24.5899,59.4512,24.5902,59.4513/200x130.png"):
        assert client.get(path, params={"url": HARBOUR}).status_code == 200
    lon, lat = PLACE
    point = client.get(f"/point/{lon},{lat}", params={"url": HARBOUR}).json()
    assert point["values"] == run["point"].array.tolist()
