"""The examples of deploy/examples: the notebook executed, the dashboard used."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from playwright.sync_api import expect

from tests.support.browser import next_frame, wait_while_it_runs
from tests.support.pages import Site, Visit, answer_as_folium_s_cdns
from tests.support.server import Service

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
NATIVE = 19


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)


@pytest.mark.slow
def test_the_notebook_runs_and_its_maps_show_the_source(
    server: Service,
    site: Site,
    visit: Visit,
    notebook: nbformat.NotebookNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    monkeypatch.setenv("TILES_URL", server.url)
    done = NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    drift = re.search(r"drift: ([\d.]+) in the mean, ([\d.]+) at most", printed)
    assert drift is not None
    assert float(drift[1]) <= 0.5
    detail = re.search(r"detail: standard deviation ([\d.]+)", printed)
    assert detail is not None
    assert float(detail[1]) > 2, "drawn, not enlarged"
    kinds = [set(output["data"]) for output in outputs if "data" in output]
    assert sum("application/vnd.jupyter.widget-view+json" in kind for kind in kinds) == 1
    state = str(done.metadata["widgets"])
    assert f"{server.url}/yellowstone/" in state
    assert "LeafletSplitMapControlModel" in state

    (page,) = [o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    visit.page.context.route(re.compile(r"^https://"), answer_as_folium_s_cdns)
    with visit.page.expect_response(lambda answer: "/yellowstone/" in answer.url):
        visit.page.goto(site.page("folium.html", page))
    # A layer that is hidden gives up what it asked for, which would be a failure.
    wait_while_it_runs(visit.page, lambda: not visit.open_requests)
    with visit.page.expect_response(lambda answer: "mode=interpolated" in answer.url):
        visit.page.frame_locator("iframe").get_by_text("interpolated").click()
    wait_while_it_runs(visit.page, lambda: not visit.open_requests)
    origins = {tile.headers["x-overzoom"] for tile in visit.tiles}
    assert origins == {"interpolated", "super-resolved"}


@pytest.fixture
def dashboard(server: Service, site: Site, visit: Visit) -> Visit:
    return open_dashboard(server, site, visit)


def open_dashboard(server: Service, site: Site, visit: Visit) -> Visit:
    text = (EXAMPLES / "dashboard.html").read_text(encoding="utf-8")
    visit.page.goto(f"{site.page('dashboard.html', text)}?server={server.url}&source=yellowstone")
    return visit


def settled(visit: Visit, side: str) -> np.ndarray:
    """One of the two maps once nothing changes any more, in grey levels (H, W)."""
    page = visit.page
    next_frame(page)  # which asks for tiles
    seen = [b"", page.locator(f"#{side}").screenshot()]

    def stands_still() -> bool:
        if visit.open_requests:
            return False
        page.wait_for_timeout(300)  # longer than a tile fades in
        seen.append(page.locator(f"#{side}").screenshot())
        return seen[-2] == seen[-1] and not visit.open_requests

    wait_while_it_runs(page, stands_still)
    return np.asarray(Image.open(BytesIO(seen[-1])).convert("L"), dtype=float)[60:-60, 60:-60]


@pytest.mark.slow
def test_both_maps_of_the_dashboard_show_the_same_ground_one_sharper(
    bundled_server: Service, site: Site, visit: Visit
) -> None:
    dashboard = open_dashboard(bundled_server, site, visit)
    page = dashboard.page
    expect(page.locator("#title")).to_have_text("Yellowstone meadow, 20 cm")
    expect(page.locator("#made")).to_have_text("Synthesised detail, ×1.9:")
    expect(page.locator("#legend")).to_be_hidden()
    plain, made = settled(dashboard, "left"), settled(dashboard, "right")
    assert plain.std() > 15
    assert np.abs(plain - made).mean() < 12, "the same ground, not shifted"
    assert np.abs(np.diff(made)).mean() > 1.1 * np.abs(np.diff(plain)).mean()
    origins = {tile.headers["x-overzoom"] for tile in dashboard.tiles if "/20/" in tile.url}
    assert origins == {"interpolated", "super-resolved"}


@pytest.mark.slow
def test_the_maps_of_the_dashboard_move_together(dashboard: Visit) -> None:
    page = dashboard.page
    before = settled(dashboard, "right")
    settled(dashboard, "left")
    page.locator("#left canvas").first.hover()
    page.mouse.down()
    page.mouse.move(120, 300, steps=5)
    page.mouse.up()
    plain, made = settled(dashboard, "left"), settled(dashboard, "right")
    assert np.abs(made - before).mean() > 12, "the other map moved"
    assert np.abs(plain - made).mean() < 12, "to the same place"
    page.locator("#left .ol-zoom-in").click()
    expect(page.locator("#made")).to_have_text("Synthesised detail, ×3.8:")
    settled(dashboard, "right")
    assert 21 in dashboard.zooms()
    for said in ("Synthesised detail, ×1.9:", "The imagery itself:"):
        page.locator("#right .ol-zoom-out").click()
        expect(page.locator("#made")).to_have_text(said)
        settled(dashboard, "right")


@pytest.mark.slow
def test_the_dashboard_lays_uncertainty_over_the_right_map(dashboard: Visit) -> None:
    page = dashboard.page
    before, plain = settled(dashboard, "right"), settled(dashboard, "left")
    with page.expect_response(lambda answer: "/uncertainty/tiles/" in answer.url):
        page.get_by_label("Uncertainty").check()
    expect(page.locator("#legend")).to_contain_text("standard deviation")
    expect(page.locator("#legend")).to_be_visible()
    assert np.abs(settled(dashboard, "right") - before).mean() > 3
    assert np.array_equal(settled(dashboard, "left"), plain)
    assert any("/uncertainty/" in tile.url for tile in dashboard.tiles)
