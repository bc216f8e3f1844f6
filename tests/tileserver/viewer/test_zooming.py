"""Past native and back: whole zooms, nothing missing, nothing that pops."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import browser as browsers
from tests.support.browser import Held, wait_until
from tests.support.server import Service
from tests.support.visiting import (
    DEEPEST,
    HEIGHT,
    MIDDLE,
    NATIVE,
    PLACE,
    WIDTH,
    Visit,
    on_whole_pixels,
    sharpness,
)  # fmt: skip

SCROLL = """([deltas, clientX, clientY, ctrlKey]) => deltas.forEach((deltaY) =>
    document.querySelector('.ol-viewport').dispatchEvent(new WheelEvent('wheel',
        {deltaY, clientX, clientY, ctrlKey, bubbles: true, cancelable: true})))"""
AT_ONCE = 6  # what the page asks a server without HTTP/2 for


def by_button(page: Page) -> None:
    page.locator("#zoom-in").click()


def by_wheel(page: Page) -> None:
    page.mouse.move(WIDTH / 2, HEIGHT / 2)
    page.mouse.wheel(0, -120)


def by_key(page: Page) -> None:
    page.keyboard.press("+")


def test_it_opens_two_zooms_past_native_half_of_it_plain_enlargement(visit: Visit) -> None:
    page = visit.page
    visit.open()
    assert visit.zoom == NATIVE + 2
    assert visit.text("origin") == "Synthesised detail ×3.8"
    assert "NEON" in visit.text("attribution")
    assert visit.ground()[MIDDLE].std() > 10
    assert visit.text("caption") == (
        "Left: plain enlargement. Right: detail synthesised by a neural network."
    )
    page.locator("#fit").click()
    visit.zoomed(NATIVE - 2)
    assert visit.text("origin") == "Original imagery"
    for gone in ("sides", "caption"):
        expect(page.locator(f"#{gone}")).to_be_hidden()
    page.get_by_role("button", name="Both sides are the same here: zoom in").click()
    visit.zoomed(NATIVE + 2)
    expect(page.locator("#sides")).to_be_visible()
    expect(page.get_by_role("button", name="Both sides are the same here: zoom in")).to_be_hidden()


def test_at_native_both_sides_are_loaded_once(visit: Visit) -> None:
    visit.open(f"yellowstone/{NATIVE}/{PLACE}")
    assert visit.text("origin") == "Original imagery"
    assert not visit.tiles("mode=interpolated")


def test_a_trackpad_zooms_smoothly_and_settles(visit: Visit) -> None:
    page = visit.page

    def scroll(*deltas: float, pinch: bool = False) -> None:
        """All at once: fingers that rest in between, as on a busy machine, are other gestures."""
        page.evaluate(SCROLL, [deltas, WIDTH / 2, HEIGHT / 2, pinch])
        visit.settle()

    visit.open(f"yellowstone/{NATIVE}/{PLACE}?mode=single")
    place = page.url
    page.mouse.move(WIDTH / 2, HEIGHT / 2)
    page.mouse.wheel(0, -1)
    visit.settle()
    scroll(-1)
    assert page.url == place, "a touch is no zoom"
    scroll(*[-4] * 75)
    visit.zoomed(NATIVE + 1)
    scroll(*[4] * 30)
    visit.zoomed(NATIVE)
    scroll(*[-7] * 10, pinch=True)  # fingers spread to twice their distance
    visit.zoomed(NATIVE + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "zoom_in",
    [by_button, by_wheel, by_key],
)
def test_from_two_zooms_before_native_to_the_deepest(
    visit: Visit, zoom_in: Callable[[Page], None]
) -> None:
    visit.open(f"yellowstone/{NATIVE - 2}/{PLACE}?mode=single")
    for zoom in range(NATIVE - 1, DEEPEST + 1):
        zoom_in(visit.page)
        visit.zoomed(zoom)
        past = zoom > NATIVE
        ratio = {1: "1.9", 2: "3.8", 3: "7.6"}.get(zoom - NATIVE)
        said = f"Synthesised detail ×{ratio}" if past else "Original imagery"
        assert visit.text("origin") == said
        middle = visit.ground()[MIDDLE]
        assert middle.std() > 10
        assert len(np.unique(middle.reshape(-1, 3), axis=0)) > 1000, "ground wherever one looks"
    expect(visit.page.locator("#zoom-in")).to_be_disabled()
    zoom_in(visit.page) if zoom_in is not by_button else None
    visit.settle()
    assert visit.zoom == DEEPEST


def test_the_ladder_draws_a_line_where_native_ends(visit: Visit) -> None:
    visit.open(f"yellowstone/21/{PLACE}")
    rungs = visit.page.locator(".rung")
    for name in (
        "22 synthesised ×7.6",
        "21 synthesised ×3.8",
        "20 synthesised ×1.9",
        "19 full resolution",
    ):
        expect(visit.page.get_by_role("button", name=f"Zoom {name}")).to_be_visible()
    kinds = [rung.get_attribute("class") for rung in rungs.all()]
    assert kinds == ["rung made"] * 3 + ["rung native"] + ["rung real"] * 3
    line = "getComputedStyle(document.querySelector('.rung.native')).borderTopWidth"
    assert visit.page.evaluate(line) == "2px"
    expect(visit.page.locator(".rung[aria-current]")).to_have_attribute("data-zoom", "21")
    visit.page.get_by_role("button", name="Zoom 19 full resolution").click()
    visit.zoomed(19)
    visit.page.mouse.dblclick(WIDTH / 2, HEIGHT / 2)
    visit.zoomed(20)


def test_detail_is_not_claimed_before_it_is_seen(visit: Visit) -> None:
    page = visit.page
    held = Held(page, re.compile(r"/yellowstone/20/[^=]*v="), most=2)
    visit.open(f"yellowstone/20/{PLACE}", settled=False)
    drawing = re.compile(r"Drawing detail, (\d+) of (\d+)")
    expect(page.locator("#origin")).to_have_text(drawing)
    browsers.wait_while_it_runs(page, lambda: len(held.routes) == 2 and visit.to_come == 2)
    (said,) = drawing.findall(visit.text("origin"))
    drawn, total = map(int, said)
    assert total - drawn == 2
    assert visit.text("right-name") == visit.text("origin")
    assert visit.text("progress") == "Drawing 2 tiles"
    assert visit.text("left-name") == "Plain enlargement"
    bar = page.locator("#drawing").evaluate("e => e.style.getPropertyValue('--drawn')")
    assert float(bar.strip("%")) == pytest.approx(100 * drawn / total)
    held.release()
    visit.settle()
    assert visit.text("origin") == "Synthesised detail ×1.9"
    assert visit.text("right-name") == "Super-resolved"
    expect(page.locator("#drawing")).to_be_hidden()


def test_what_the_other_side_covers_is_drawn_last(visit: Visit) -> None:
    visit.open(f"yellowstone/21/{on_whole_pixels(21)}?at=85")
    asked = [
        int(url.split("/21/")[1].split("/")[0])
        for url in visit.tiles("/yellowstone/21/", "v=")
        if "mode=" not in url
    ]
    longitude = float(on_whole_pixels(21).split("/")[1])
    left = (longitude + 180) / 360 * 2**21 - WIDTH / 2 / 256
    divider = left + 0.85 * WIDTH / 256
    covered = [column + 1 <= divider for column in asked]
    assert 0 < sum(covered) < len(covered)
    assert covered == sorted(covered), "those that are seen come first"


def test_the_first_detail_does_not_wait_for_all_that_lies_under_it(visit: Visit) -> None:
    page = visit.page
    plain = Held(page, re.compile("mode=interpolated.*v="))
    detail = Held(page, re.compile(r"/yellowstone/21/[^=]*v="), after=1)
    visit.open(f"yellowstone/21/{on_whole_pixels(21)}", settled=False)
    expect(page.locator("#origin")).to_have_text(re.compile("^Drawing detail, 1 of"))
    browsers.wait_while_it_runs(page, lambda: detail.routes)
    assert len(detail.routes) == 1
    assert len(plain.routes) == 5, "as many as there are connections beside the one that draws"
    for held in (plain, detail):
        held.release()
    visit.settle()


def test_interpolated_tiles_show_at_once_and_the_super_resolved_fade_in_over_them(
    visit: Visit,
) -> None:
    view = f"yellowstone/22/{PLACE}?mode=single"
    visit.open(view)
    sharp = visit.ground()
    held = Held(visit.page, re.compile(r"/yellowstone/22/[^=]*v="))
    visit.open(view, settled=False)

    def is_there() -> bool:
        """Whether the same ground, not shifted, is there before anything is drawn."""
        soft = visit.ground()
        there = np.abs(sharp - soft).mean() < 12 and sharpness(sharp) > 1.3 * sharpness(soft)
        return there and bool(held.routes)

    browsers.wait_while_it_runs(visit.page, is_there)
    held.release()
    visit.settle()
    assert np.array_equal(visit.ground(), sharp)


@pytest.mark.parametrize(
    "zoom",
    [
        pytest.param(19, marks=pytest.mark.slow),
        20,
        pytest.param(21, marks=pytest.mark.slow),
    ],
)
def test_nothing_pops_from_one_zoom_to_the_next(visit: Visit, zoom: int) -> None:
    visit.open(f"yellowstone/{zoom}/{on_whole_pixels(zoom)}?mode=single")
    parent = visit.ground()[MIDDLE]
    by_button(visit.page)
    visit.zoomed(zoom + 1)
    reduced = visit.ground().reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean((1, 3))
    assert parent.std() > 10
    assert np.abs(reduced - parent).mean() <= 0.5


@pytest.mark.slow
def test_what_has_left_the_view_is_given_up_and_asked_for_again(visit: Visit) -> None:
    page, given_up = visit.page, list[str]()
    page.route("**/yellowstone/22/**", lambda _: None)  # never answered
    page.on("requestfailed", lambda request: given_up.append(request.url))
    visit.open(f"yellowstone/22/{PLACE}?mode=single", settled=False)
    browsers.wait_while_it_runs(page, lambda: len(set(visit.tiles("/22/"))) >= AT_ONCE)
    asked = set(visit.tiles("/22/"))
    page.keyboard.press("0")
    wait_until(page, "location.hash.includes('/19/')")
    page.unroute_all()
    visit.settle()
    browsers.wait_while_it_runs(page, lambda: len(set(given_up)) >= len(asked))
    assert asked == set(given_up)
    page.locator("[data-zoom='22']").click()
    visit.zoomed(22)
    assert sharpness(visit.ground()) > 2


@pytest.mark.slow
def test_a_dense_screen_gets_tiles_of_its_own_pixels(browser: Browser, server: Service) -> None:
    page = browsers.open_page(
        browser, {"width": 320, "height": 240}, device_scale_factor=2, reduced_motion="reduce"
    )
    visit = Visit(page, server.url)
    visit.open(f"yellowstone/20/{PLACE}?mode=single")
    assert all("tilesize=512" in tile for tile in visit.tiles("/yellowstone/20/"))
    assert visit.text("origin") == "Synthesised detail ×3.8", "on this screen"
    dense = visit.ground()
    assert dense.shape == (480, 640, 3)
    assert sharpness(dense) > 2
    page.locator("#zoom-in").click()
    visit.zoomed(21)
    expect(page.locator("#zoom-in")).to_be_disabled()
    page.close()
