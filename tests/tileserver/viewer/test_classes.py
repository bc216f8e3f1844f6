"""A source of classes in the page: one picture, of the imagery's own pixels, in its colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.support import browser as browsers
from tests.support import visiting
from tests.support.classes import COLOURS, MIDDLE, NATIVE, write_classes
from tests.support.server import serving
from tests.support.visiting import Visit


@pytest.fixture
def classes(page: Page, tmp_path: Path) -> Iterator[Visit]:
    """The page of a server of one raster with a colour table."""
    config = tmp_path / "overzoom.yaml"
    source = {"path": str(write_classes(tmp_path / "cover.tif", nodata=None))}
    config.write_text(yaml.safe_dump({"sources": {"cover": source}, "deadline_seconds": 300}))
    with serving(config, tmp_path / "cache") as server:
        visit = Visit(page, server.url)
        with browsers.watch(page, server.url):
            yield visit
        visit.close()


def test_classes_are_one_picture_that_says_that_nothing_is_synthesised(classes: Visit) -> None:
    lon, lat = MIDDLE
    classes.open(f"cover/{NATIVE + 2}/{lat}/{lon}?mode=swipe")
    page = classes.page
    expect(page.locator("#origin")).to_have_text("The imagery, enlarged ×3")
    for gone in ("compare", "sides", "open-uncertainty", "open-rendering"):
        expect(page.locator(f"#{gone}")).to_have_count(1)
        expect(page.locator(f"#{gone}")).to_be_hidden()
    assert not any("interpolated" in one.url for one in classes.requests)
    levels = classes.ground()[visiting.MIDDLE].reshape(-1, 3)
    known = np.array([colour[:3] for colour in COLOURS.values()])
    off = np.abs(levels[:, None].astype(int) - known).max(axis=2).min(axis=1)
    assert (off <= 1).mean() > 0.99, "the colours of the table, and none between them"
    page.locator("#badge").click()
    expect(page.locator("#meaning-text")).to_contain_text("nothing is synthesised")
    assert "Checkpoint" not in page.locator("#meaning-facts").inner_text()
    page.get_by_role("button", name="Close").click()
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#inspected table")).to_be_visible()
    rows = page.locator("#inspected tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows[1:]] == ["File's pixel"]
    assert float(rows[1].split("\t")[1]) in COLOURS
