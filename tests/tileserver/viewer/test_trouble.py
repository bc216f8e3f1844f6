"""A server that is away or busy: a clear message, and nothing stays missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.support import browser as browsers
from tests.support.browser import Held
from tests.support.server import Service, configured, serving
from tests.support.services import free_port
from tests.support.visiting import MIDDLE, PLACE, Visit


def tab(browser: Browser) -> Page:
    return browsers.open_page(browser, {"width": 640, "height": 480})


@pytest.mark.slow
def test_a_server_that_is_away_is_told_and_retry_brings_what_is_missing(
    browser: Browser, config: Path, tmp_path: Path
) -> None:
    page, port = tab(browser), free_port()
    told = page.get_by_role("alert")
    with serving(config, tmp_path / "cache", port=port) as server:
        visit = Visit(page, server.url)
        visit.open(f"yellowstone/18/{PLACE}?mode=single")
    page.locator("#zoom-in").click()
    expect(told).to_contain_text("The server does not answer")
    page.keyboard.press("+")
    expect(page.locator("#progress")).to_contain_text("rawing")
    held = Held(page, "**/healthz")  # it would see for itself
    with serving(config, tmp_path / "cache", port=port):
        with page.expect_request("**/healthz"):
            page.get_by_role("button", name="Retry").click()
        browsers.wait_while_it_runs(page, lambda: held.routes)
        held.release()
        expect(told).to_be_empty()
        visit.zoomed(20)
        shown = visit.ground()
        visit.open(f"yellowstone/20/{PLACE}?mode=single")
        assert np.array_equal(visit.ground(), shown)
    page.close()


@pytest.mark.slow
def test_a_lost_connection_is_noticed_and_its_return_too(browser: Browser, server: Service) -> None:
    page = tab(browser)
    visit = Visit(page, server.url)
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    page.context.set_offline(True)
    page.locator("#open-sources").click()
    page.locator("[data-source=truth]").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.context.set_offline(False)
    expect(page.get_by_role("alert")).to_be_empty()  # by itself
    expect(page.locator("#source-title")).to_have_text("Yellowstone meadow, true 10 cm")
    visit.zoomed(19)  # the view stays where it was
    assert visit.ground()[MIDDLE].std() > 10
    page.close()


@pytest.mark.slow
def test_the_map_goes_on_where_another_source_cannot_be_opened(
    browser: Browser, server: Service
) -> None:
    page, told = tab(browser), "The source cannot be shown: the server answers 500"
    visit = Visit(page, server.url)
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    page.route("**/truth/tilejson.json?*", lambda route: route.fulfill(status=500))
    page.locator("#open-sources").click()
    page.locator("[data-source=truth]").click()
    expect(page.get_by_role("alert")).to_contain_text(told)
    page.keyboard.press("+")
    visit.zoomed(20)
    assert visit.text("origin") == "Synthesised detail ×1.9"
    assert "#yellowstone/" in page.url
    with page.expect_response("**/truth/tilejson.json?*"):
        page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("alert")).to_contain_text(told)
    page.unroute_all()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#source-title")).to_have_text("Yellowstone meadow, true 10 cm")
    expect(page.get_by_role("alert")).to_be_empty()
    page.close()


@pytest.mark.slow
def test_keys_and_addresses_are_taken_before_the_list_of_sources_is_there(visit: Visit) -> None:
    page = visit.page
    held = Held(page, "**/sources.json")
    visit.open(f"truth/19/{PLACE}?mode=single", settled=False)
    for key in ["ArrowUp", "+", "-", "0", "2", "3", "b", "t", "]", "i", "Enter", "u", "n", "m", "e",
                "q", "q", "Escape"]:  # fmt: skip
        page.keyboard.press(key)
    page.mouse.move(50, 50)
    page.mouse.move(300, 200)
    page.locator("#open-help").hover()
    with page.expect_request("**/sources.json"):
        page.evaluate(f"location.hash = 'yellowstone/21/{PLACE}?mode=single'")
    browsers.wait_while_it_runs(page, lambda: len(held.routes) == 2)
    for route in reversed(held.routes):  # the newer wish is answered first
        with page.expect_response("**/sources.json"):
            route.continue_()
    visit.zoomed(21)
    assert visit.text("source-title") == "Yellowstone meadow, 20 cm"
    assert page.locator("[data-source]").count() == 2
    assert visit.ground()[MIDDLE].std() > 10


@pytest.mark.slow
def test_a_sample_that_cannot_be_had_is_not_named(browser: Browser, server: Service) -> None:
    page = tab(browser)
    visit = Visit(page, server.url)
    visit.open(f"yellowstone/20/{PLACE}")
    page.route("**/tilejson.json?*noise_seed=2", lambda route: route.fulfill(status=500))
    page.select_option("#other", "sample-2")
    expect(page.get_by_role("alert")).to_contain_text("the server answers 500")
    assert visit.text("left-name") == "Plain enlargement"
    page.unroute_all()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#left-name")).to_have_text("Sample 3")
    expect(page.get_by_role("alert")).to_be_empty()
    page.close()


def test_a_tile_that_is_no_picture_is_told_once_and_not_asked_for_again(
    browser: Browser, server: Service
) -> None:
    page = tab(browser)
    visit = Visit(page, server.url)
    page.route("**/yellowstone/19/**", lambda route: route.fulfill(body="no picture"))
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    told = page.get_by_role("alert")
    expect(told).to_have_text("Some tiles cannot be shown: they are not valid images.")
    page.wait_for_timeout(500)
    asked = visit.tiles("/yellowstone/19/")
    assert len(asked) == len(set(asked)) > 4
    page.locator("#open-sources").click()
    page.locator("[data-source=truth]").click()
    expect(told).to_be_empty()
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("when_busy", ["refuse", "interpolate"])
def test_a_busy_server_is_asked_again_until_nothing_is_missing(
    browser: Browser, config: Path, server: Service, tmp_path: Path, when_busy: str
) -> None:
    page = tab(browser)
    page.set_viewport_size({"width": 400, "height": 300})
    settings = {"queue_tiles": 1, "merged_tiles": 1, "when_busy": when_busy}
    small = configured(config, tmp_path, **settings)
    busy_answers: list[int] = []

    def note(answer: Response) -> None:
        if answer.status != 200 or "x-overzoom-fallback" in answer.headers:
            busy_answers.append(answer.status)

    page.on("response", note)
    with serving(small, tmp_path / "cache") as busy:
        visit = Visit(page, busy.url)
        visit.open(f"yellowstone/20/{PLACE}?mode=single", settled=False)
        visit.settle()
        shown = visit.ground()
    assert set(busy_answers) == {503 if when_busy == "refuse" else 200}
    visit = Visit(page, server.url)
    visit.open(f"yellowstone/20/{PLACE}?mode=single")
    assert np.array_equal(visit.ground(), shown), "no hole, nothing interpolated is left"
    page.close()
