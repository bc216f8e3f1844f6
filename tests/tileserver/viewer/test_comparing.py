"""Two sides of one view, and links to it."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.support import browser as browsers
from tests.support.browser import wait_until, wait_while_it_runs
from tests.support.server import Service
from tests.support.visiting import PLACE, WIDTH, Visit, sharpness

VIEW = f"yellowstone/21/{PLACE}"
KEEP_MESSAGES = """() => {
    const later = window.setTimeout;
    window.setTimeout = (act, ms) => (ms < 3000 ? later(act, ms) : 0);
}"""


def grain(ground: np.ndarray) -> tuple[float, float]:
    """Sharpness of the left and of the right half, away from the divider."""
    return sharpness(ground[:, 20:300]), sharpness(ground[:, 340:620])


def test_the_swipe_shows_plain_enlargement_on_the_left(visit: Visit) -> None:
    visit.open(f"{VIEW}?mode=single")
    alone = visit.ground()
    visit.page.get_by_text("Swipe", exact=True).click()
    visit.settle()
    both = visit.ground()
    assert np.array_equal(both[:, 330:], alone[:, 330:])
    assert grain(both)[0] < 0.9 * grain(alone)[0]
    assert visit.text("left-name") == "Plain enlargement"
    assert visit.text("right-name") == "Super-resolved"


def test_the_divider_is_dragged(visit: Visit) -> None:
    visit.open(VIEW)
    before = visit.ground()
    handle = visit.page.locator("#divider").bounding_box()
    assert handle is not None
    middle = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    visit.page.mouse.move(*middle)
    visit.page.mouse.down()
    visit.page.mouse.move(300, middle[1], steps=3)
    visit.page.mouse.move(128, middle[1], steps=5)
    visit.page.mouse.up()
    visit.settle()
    expect(visit.page.locator("#divider")).to_have_attribute("aria-valuenow", "20")
    after = visit.ground()
    assert np.array_equal(after[:, :120], before[:, :120])
    assert sharpness(after[:, 140:310]) > 1.1 * sharpness(before[:, 140:310])
    wait_until(visit.page, "location.hash.includes('at=20')")
    assert visit.zoom == 21, "the map stays where it is"


def test_the_line_is_dragged_anywhere_and_a_sample_is_never_compared_with_itself(
    visit: Visit,
) -> None:
    page, options = visit.page, visit.page.locator("#other option")
    visit.open(VIEW)
    page.mouse.move(WIDTH / 2 + 4, 380)
    page.mouse.down()
    page.mouse.move(WIDTH / 4, 380, steps=3)
    page.mouse.up()
    expect(page.locator("#divider")).to_have_attribute("aria-valuenow", "25")
    assert visit.zoom == 21
    assert "sample 1" not in options.all_text_contents(), "it is what is compared"
    page.select_option("#other", "sample-1")
    expect(page.locator("#left-name")).to_have_text("Sample 2")
    page.keyboard.press("n")
    expect(page.locator("#sample")).to_have_text("Sample 2 of 4")
    expect(page.locator("#other")).to_have_value("interpolated")
    assert "sample 1" in options.all_text_contents()
    assert "sample 2" not in options.all_text_contents()


def test_the_divider_is_a_slider_by_keyboard(visit: Visit) -> None:
    visit.open(VIEW)
    slider = visit.page.get_by_role("slider", name="Divider between the two sides")
    slider.focus()
    place = visit.text("place")
    for pressed, at in [("ArrowRight", 51), ("PageUp", 61), ("End", 100), ("Home", 0)]:
        visit.page.keyboard.press(pressed)
        expect(slider).to_have_attribute("aria-valuenow", str(at))
    visit.page.locator("#map").focus()
    visit.page.keyboard.press("]")
    expect(slider).to_have_attribute("aria-valuenow", "5")
    expect(slider).to_have_attribute("aria-valuetext", "5 % Plain enlargement, then Super-resolved")
    assert visit.text("place") == place, "arrows on the divider do not move the map"


def test_flicker_shows_the_other_side_while_it_is_held(visit: Visit) -> None:
    visit.open(f"{VIEW}?mode=flicker")
    up = visit.ground()
    assert visit.text("flicker-name") == "Super-resolved"
    visit.page.locator("#flicker-hold").hover()
    visit.page.mouse.down()
    expect(visit.page.locator("#flicker-name")).to_have_text("Plain enlargement")
    expect(visit.page.locator("#origin")).to_have_text("Plain enlargement ×3.8")
    held = visit.ground()
    visit.page.mouse.up()
    expect(visit.page.locator("#flicker-name")).to_have_text("Super-resolved")
    assert sharpness(held) < 0.9 * sharpness(up)
    assert np.array_equal(visit.ground(), up)
    assert visit.text("origin") == "Synthesised detail ×3.8"
    visit.page.keyboard.press("2")
    visit.page.keyboard.down("b")  # from the swipe, too
    expect(visit.page.locator("#flicker-name")).to_have_text("Plain enlargement")
    visit.page.keyboard.up("b")
    expect(visit.page.locator("#flicker-name")).to_have_text("Super-resolved")


@pytest.mark.slow
def test_flicker_changes_sides_by_itself_until_it_is_stopped(visit: Visit) -> None:
    visit.open(f"{VIEW}?mode=flicker")
    visit.page.locator("#flicker-timed").click()
    for name in ("Plain enlargement", "Super-resolved", "Plain enlargement"):
        expect(visit.page.locator("#flicker-name")).to_have_text(name)
    visit.page.locator("#flicker-timed").click()
    expect(visit.page.locator("#flicker-name")).to_have_text("Super-resolved")
    visit.page.wait_for_timeout(1200)
    assert visit.text("flicker-name") == "Super-resolved"


@pytest.mark.slow
def test_the_reference_can_be_compared_with(visit: Visit) -> None:
    visit.open(f"{VIEW}?at=100")
    interpolated = visit.ground()
    visit.page.select_option("#other", "reference")
    expect(visit.page.locator("#left-name")).to_have_text("Reference")
    visit.settle()
    assert visit.tiles("/truth/21/")
    assert sharpness(visit.ground()) > 1.05 * sharpness(interpolated)
    visit.open(f"{VIEW}?mode=flicker&other=reference")
    assert visit.text("origin") == "Synthesised detail ×3.8"
    visit.page.keyboard.down("b")
    expect(visit.page.locator("#origin")).to_have_text("The reference")
    expect(visit.page.locator("#badge")).to_have_class(re.compile(r"\breal\b"))
    visit.page.keyboard.up("b")
    visit.open(f"truth/20/{PLACE}")
    assert visit.page.locator("#other [value=reference]").count() == 0, "it has none itself"


@pytest.mark.slow
def test_a_source_whose_reference_is_away_is_shown_without_it(
    browser: Browser, server: Service
) -> None:
    page = browsers.open_page(browser, {"width": 640, "height": 480})
    page.route("**/truth/tilejson.json?*", lambda route: route.fulfill(status=503))
    visit = Visit(page, server.url)
    visit.open(f"{VIEW}?other=reference")
    assert visit.text("origin") == "Synthesised detail ×3.8"
    assert page.locator("#other [value=reference]").count() == 0
    page.close()


@pytest.mark.slow
def test_a_sample_is_named_as_what_it_is(visit: Visit) -> None:
    made, told = re.compile(r"\bmade\b"), visit.page.locator("#flicker-name")
    visit.open(f"yellowstone/20/{PLACE}?mode=flicker&other=sample-1")
    visit.page.keyboard.down("b")
    expect(told).to_have_text("Sample 2")
    expect(told).to_have_class(made)
    visit.page.keyboard.up("b")
    visit.page.keyboard.press("0")
    visit.zoomed(19)
    assert visit.page.locator(".side").all_text_contents() == ["Original imagery"] * 3
    expect(told).not_to_have_class(made)


@pytest.mark.slow
@pytest.mark.parametrize(
    "view",
    [
        f"{VIEW}?mode=single",
        f"{VIEW}?other=reference&at=30",
        f"truth/20/{PLACE}?mode=flicker",
    ],
)
def test_a_link_opens_the_same_view_again(visit: Visit, view: str) -> None:
    visit.open(view)
    before = visit.page.url
    visit.page.keyboard.press("ArrowRight")
    wait_while_it_runs(visit.page, lambda: visit.page.url != before)
    visit.settle()
    visit.page.keyboard.press("s")
    link = visit.page.locator("#share-link").input_value()
    visit.page.keyboard.press("Escape")
    seen = visit.ground()
    visit.open(link.split("#")[1])
    assert visit.page.url == link
    assert np.array_equal(visit.ground(), seen)


def test_a_link_pasted_into_the_same_tab_goes_there(visit: Visit) -> None:
    visit.open(VIEW)
    visit.page.evaluate(f"location.hash = '#truth/20/{PLACE}?mode=single'")
    wait_until(visit.page, "document.title.startsWith('Yellowstone meadow, true')")
    visit.zoomed(20)
    expect(visit.page.locator("#mode-single")).to_be_checked()


def test_the_link_is_copied(visit: Visit) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.open(VIEW)
    visit.page.evaluate(KEEP_MESSAGES)
    visit.page.locator("#open-share").click()
    visit.page.get_by_role("button", name="Copy").click()
    expect(visit.page.locator("#toast")).to_have_text("Link copied")
    assert visit.page.evaluate("document.getElementById('share').open")
    toast = Image.open(BytesIO(visit.page.locator("#toast").screenshot())).convert("L")
    assert np.asarray(toast).max() > 200, "over the scrim: white on black"
    assert visit.page.evaluate("navigator.clipboard.readText()") == visit.page.url
    visit.page.keyboard.press("Escape")
