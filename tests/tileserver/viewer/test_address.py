"""The address follows the view, and the view what somebody types or goes back to."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support import browser as browsers
from tests.support.browser import Held
from tests.support.visiting import LATITUDE, LONGITUDE, MIDDLE, PLACE, Visit

WAVE = """() => {
    window.written = 0;
    const own = history.replaceState;
    history.replaceState = function (...all) { window.written += 1; return own.apply(this, all); };
    const divider = document.getElementById('divider');
    const press = (key) => divider.dispatchEvent(new KeyboardEvent('keydown', {key}));
    for (let turn = 0; turn < 100; turn += 1) press(turn % 2 ? 'ArrowLeft' : 'ArrowRight');
    press('PageUp');
    return window.written;
}"""
REFUSE = """() => {
    const own = history.replaceState;
    history.replaceState = () => { throw new DOMException('too often', 'SecurityError'); };
    window.allow = () => { history.replaceState = own; };
}"""


def test_what_is_no_place_opens_the_source_where_it_is_best_seen(visit: Visit) -> None:
    visit.open(f"yellowstone/19/{LONGITUDE}/{LATITUDE}?mode=single")  # the wrong way round
    latitude, longitude = visit.page.url.split("#")[1].split("?")[0].split("/")[2:]
    assert abs(float(latitude) - LATITUDE) < 0.01
    assert abs(float(longitude) - LONGITUDE) < 0.01
    assert visit.ground()[MIDDLE].std() > 10


def test_a_divider_that_is_waved_is_written_once_it_rests(visit: Visit) -> None:
    visit.open(f"yellowstone/19/{PLACE}")
    assert visit.page.evaluate(WAVE) == 0
    browsers.wait_until(visit.page, "location.hash.includes('at=60')")
    assert visit.page.evaluate("window.written") == 1


def test_a_browser_that_allows_no_more_changes_stops_nothing(visit: Visit) -> None:
    page = visit.page
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    page.evaluate(REFUSE)
    page.keyboard.press("+")
    expect(page.locator("#zoom")).to_have_text("Zoom 20, imagery ends at 19")
    visit.settle()
    assert "/19/" in page.url
    page.evaluate("allow()")
    page.keyboard.press("+")
    visit.zoomed(21)


def test_a_move_while_back_is_loading_spoils_no_entry_of_the_history(visit: Visit) -> None:
    page, title = visit.page, visit.page.locator("#source-title")
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    first = page.url
    page.locator("#open-sources").click()
    page.locator("[data-source=truth]").click()
    expect(title).to_have_text("Yellowstone meadow, true 10 cm")
    visit.settle()
    held = Held(page, "**/yellowstone/tilejson.json*")
    page.go_back()
    browsers.wait_while_it_runs(page, lambda: held.routes)
    place = visit.text("place")
    page.keyboard.press("ArrowRight")
    browsers.wait_while_it_runs(page, lambda: visit.text("place") != place)
    assert page.url == first
    held.release()
    expect(title).to_have_text("Yellowstone meadow, 20 cm")
    visit.settle()
    assert page.url == first
    page.go_forward()
    expect(title).to_have_text("Yellowstone meadow, true 10 cm")


def test_a_move_while_another_stretch_is_loading_goes_on(visit: Visit) -> None:
    page = visit.page
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    before = visit.text("place")
    page.keyboard.press("r")
    held = Held(page, "**/yellowstone/tilejson.json*")
    page.locator("#stretch-high").fill("120")
    page.locator("#stretch-high").press("Enter")
    browsers.wait_while_it_runs(page, lambda: held.routes)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    browsers.wait_while_it_runs(page, lambda: visit.text("place") != before)
    moved = visit.text("place")
    held.release()
    browsers.wait_until(page, "location.hash.includes('stretch=')")
    visit.settle()
    assert visit.text("place") == moved
