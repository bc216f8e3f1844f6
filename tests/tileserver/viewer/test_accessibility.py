"""For everybody: axe-core, the keyboard alone, telephones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import browser as browsers
from tests.support.server import Service
from tests.support.visiting import PLACE, Visit

AXE = Path(__file__).parents[2] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
VIEW = f"yellowstone/20/{PLACE}"
DESKTOP, PHONES = (1280, 800), [(360, 640), (390, 844)]
OPENED = {  # by what opens it
    "#badge": "#meaning", "#open-sources": "#sources", "#open-share": "#share",
    "#open-embed": "#embed details", "#open-help": "#help", "#open-inspect": "#inspect",
    "#open-uncertainty": "#uncertainty",
    "#open-samples": "#samples", "#open-status": "#status", "#open-measure": "#measure",
    "#open-rendering": "#rendering", "#place": "#places",
}  # fmt: skip
CONTROLS = {
    "map", "divider", "open-sources", "mode-swipe", "other", "open-inspect",
    "open-uncertainty", "open-samples", "open-rendering", "open-measure", "fit", "place",
    "open-share", "open-embed", "open-status", "full-screen", "change-scheme", "open-help",
    "zoom-in", "22", "zoom-out", "badge",
}  # fmt: skip
LEAST_TARGET_PX = 24
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SEEN = """() => [...document.querySelectorAll(
    'button, select, summary, a, [role=slider], #badge, .modes label, #origin, .readings, '
    + '#attribution, .card')]
    .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('dialog:not([open])'))
    .map(e => { const r = e.getBoundingClientRect();
        return [e.id || e.textContent.trim().slice(0, 20), r.x, r.y, r.width, r.height]; })"""
PANELS = """() => [...document.querySelectorAll('#over > .panel, .comparing > .panel, '
    + '#cards > .card, footer > .panel, #divider')].filter(e => e.checkVisibility())
    .map(e => { const r = e.getBoundingClientRect();
        return [e.id || e.className, r.left, r.top, r.right, r.bottom]; })"""


def violations(page: Page) -> list[str]:
    """Serious and critical ones, light and dark, with the elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    serious = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        serious += [(scheme, v) for v in found if v["impact"] in ("serious", "critical")]
    return [f"{s}, {v['id']}: {[node['html'] for node in v['nodes']]}" for s, v in serious]


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONES[0]])
def test_axe_finds_nothing_serious(
    browser: Browser, server: Service, size: tuple[int, int]
) -> None:
    page = browsers.open_page(browser, {"width": size[0], "height": size[1]})
    visit = Visit(page, server.url)
    with browsers.watch(page, server.url):
        visit.open(f"{VIEW}?mode=flicker")
        found = violations(page)
        for opener, opened in OPENED.items():
            page.locator(opener).click()
            expect(page.locator(opened).first).to_be_visible()
            found += [f"{opened} open: {violation}" for violation in violations(page)]
            if page.locator("dialog[open]").count():
                page.keyboard.press("Escape")
            else:
                page.locator(f"{opened} .close").click()
        page.get_by_text("Swipe", exact=True).click()
        found += violations(page)
        page.goto(f"{server.url}/yellowstone/WebMercatorQuad/map.html")
        expect(page.locator("#origin")).not_to_be_empty()
        found += violations(page)
    page.close()
    assert not found


@pytest.mark.slow
def test_the_scheme_is_chosen_and_remembered(visit: Visit) -> None:
    colour = "getComputedStyle(document.body).color"
    visit.open(VIEW)
    seen = [visit.page.evaluate(colour)]
    for _ in range(2):
        visit.page.keyboard.press("c")
        seen.append(visit.page.evaluate(colour))
    assert seen[1] == seen[0] != seen[2], "automatic (light here), light, dark"
    visit.open(VIEW)
    assert visit.page.evaluate(colour) == seen[2]
    visit.page.keyboard.press("c")
    assert visit.page.evaluate(colour) == seen[0]


def test_every_control_is_reached_and_seen_by_tabbing(visit: Visit) -> None:
    visit.open(f"{VIEW}?mode=swipe")
    reached: list[str] = []
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        here = visit.page.evaluate(
            "() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " const l = getComputedStyle(e.nextElementSibling ?? e);"
            " return [e.id || e.dataset.zoom || e.tagName,"
            " s.outlineStyle !== 'none' || l.outlineStyle !== 'none']; }"
        )
        if here[0] in reached or here[0] == "BODY":
            break
        assert here[1], f"{here[0]} does not show that it has the focus"
        reached.append(here[0])
    assert set(reached) >= CONTROLS


@pytest.mark.slow
def test_everything_works_by_keyboard(visit: Visit) -> None:
    page = visit.page
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    before = visit.text("place")
    page.keyboard.press("ArrowUp")
    browsers.wait_while_it_runs(page, lambda: visit.text("place") != before)
    visit.settle()
    page.keyboard.press("-")
    visit.zoomed(18)
    page.keyboard.press("0")
    visit.zoomed(19)
    for key, mode in [("2", "swipe"), ("3", "flicker"), ("1", "single")]:
        page.keyboard.press(key)
        expect(page.locator(f"#mode-{mode}")).to_be_checked()
    page.keyboard.press("u")
    expect(page.locator("#uncertainty")).to_be_visible()
    page.keyboard.press("u")
    for key, opened in [("l", "sources"), ("s", "share"), ("e", "embed"), ("m", "meaning"),
                        ("?", "help")]:  # fmt: skip
        page.keyboard.press(key)
        expect(page.locator(f"#{opened}")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(f"#{opened}")).to_be_hidden()
    page.keyboard.press("f")
    expect(page.locator("#full-screen")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    expect(page.locator("#full-screen")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("l")
    page.locator("[data-source=truth]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#source-title")).to_have_text("Yellowstone meadow, true 10 cm")
    visit.zoomed(19)  # the view stays where it was


def test_a_text_that_is_selected_in_a_dialog_may_end_beside_it(visit: Visit) -> None:
    page, dialog = visit.page, visit.page.locator("#share")
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    page.keyboard.press("s")
    field, box = page.locator("#share-link").bounding_box(), dialog.bounding_box()
    assert field
    assert box
    page.mouse.move(field["x"] + 40, field["y"] + field["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 10, field["y"])
    page.mouse.up()
    page.mouse.click(box["x"] + 3, box["y"] + 3)  # its own border
    expect(dialog).to_be_visible()
    page.mouse.click(box["x"] - 10, box["y"])
    expect(dialog).to_be_hidden()


def test_a_key_right_after_a_dialog_with_a_field_is_closed_is_heard(visit: Visit) -> None:
    visit.open(VIEW)
    visit.page.keyboard.press("s")
    target = visit.page.evaluate("""() => {
        document.getElementById("share").close();
        const target = document.activeElement;  // until the next frame
        target.dispatchEvent(new KeyboardEvent("keydown", { key: "e", bubbles: true }));
        return target.id;
    }""")
    assert target == "share-link"
    expect(visit.page.locator("#embed")).to_be_visible()
    visit.page.keyboard.press("Escape")


def test_the_mode_is_chosen_by_arrows_and_the_map_stays(visit: Visit) -> None:
    visit.open(f"{VIEW}?mode=swipe")
    place = visit.text("place")
    visit.page.locator("#mode-swipe").focus()
    for key, mode in [("ArrowRight", "flicker"), ("ArrowLeft", "swipe"), ("ArrowUp", "single")]:
        visit.page.keyboard.press(key)
        expect(visit.page.locator(f"#mode-{mode}")).to_be_checked()
        assert visit.page.locator("body").get_attribute("data-mode") == mode
    visit.page.wait_for_timeout(350)
    assert visit.text("place") == place


def test_letters_digits_and_signs_can_be_switched_off(visit: Visit) -> None:
    switch = visit.page.get_by_label("Single-key shortcuts")
    visit.open(VIEW)
    visit.page.keyboard.press("?")
    switch.uncheck()
    visit.page.keyboard.press("Escape")
    for key in "s3?":
        visit.page.keyboard.press(key)
    expect(visit.page.locator("dialog[open]")).to_have_count(0)
    expect(visit.page.locator("#mode-swipe")).to_be_checked()
    visit.page.locator("#open-help").click()
    switch.check()
    visit.page.keyboard.press("Escape")
    visit.page.keyboard.press("s")
    expect(visit.page.locator("#share")).to_be_visible()
    visit.page.keyboard.press("Escape")


def apart(panels: list[tuple[str, float, float, float, float]]) -> list[tuple[str, str]]:
    """Pairs of rectangles that overlap."""
    return [
        (one[0], other[0])
        for i, one in enumerate(panels)
        for other in panels[i + 1 :]
        if one[1] < other[3] and other[1] < one[3] and one[2] < other[4] and other[2] < one[4]
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [PHONES[0], DESKTOP, PHONES[1], (640, 900), (844, 390), (1024, 768), (1200, 800)]
)
def test_nothing_overlaps_or_leaves_the_screen_and_targets_are_large_enough(
    browser: Browser, server: Service, size: tuple[int, int]
) -> None:
    page = browsers.open_page(browser, {"width": size[0], "height": size[1]}, has_touch=True)
    visit = Visit(page, server.url)
    for mode in ("swipe", "flicker"):
        visit.open(f"{VIEW}?mode={mode}", settled=False)
        expect(page.locator("#origin")).to_contain_text("Synthesised")
        page.locator("#open-status").tap()
        expect(page.locator("#figures")).to_contain_text("Version")
        assert apart(page.evaluate(PANELS)) == []
        for name, x, y, width, height in page.evaluate(SEEN):
            assert x >= 0, name
            assert y >= 0, name
            assert x + width <= size[0] + 0.5, name
            assert y + height <= size[1] + 0.5, name
            if name not in ("place", "attribution") and not name.startswith(("origin", "44.")):
                assert min(width, height) >= LEAST_TARGET_PX, name
    page.close()


CUT_OFF = """() => [...document.querySelectorAll('#inspected, #other')]
    .filter(e => {
      if (e.localName !== 'select') return e.scrollWidth > e.clientWidth;
      const whole = e.cloneNode(true);
      whole.style.cssText = 'width: auto; max-width: none; position: absolute';
      e.after(whole);
      const cut = whole.offsetWidth > e.offsetWidth;
      whole.remove();
      return cut;
    }).map(e => e.id)"""


TITLE_FITS = """(() => { const e = document.getElementById('source-title');
    return e.scrollWidth <= e.clientWidth; })()"""
AT_ITS_END = """(() => {
    const last = document.getElementById('rendering-reset'), r = last.getBoundingClientRect();
    return document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2) === last; })()"""


CHOSEN = """() => ['.modes :checked + label', '#open-rendering', '.rung[aria-current]'].map(
    name => getComputedStyle(document.querySelector(name)).backgroundColor)"""
OTHERS = """() => ['#mode-single + label', '#open-samples', '.rung:not([aria-current])'].map(
    name => getComputedStyle(document.querySelector(name)).backgroundColor)"""


def test_in_the_systems_colours_what_is_chosen_and_the_legend_are_told_apart(visit: Visit) -> None:
    page = visit.page
    page.emulate_media(forced_colors="active")
    visit.open(f"{VIEW}?mode=swipe&uncertainty=70", settled=False)
    expect(page.locator("#legend-bar")).to_be_visible()
    legend = "getComputedStyle(document.getElementById('legend-bar')).backgroundImage"
    assert "gradient" in page.evaluate(legend)
    assert "none" in page.evaluate(legend.replace("backgroundImage", "forcedColorAdjust"))
    page.keyboard.press("r")
    chosen, others = page.evaluate(CHOSEN), page.evaluate(OTHERS)
    page.emulate_media(forced_colors="none")
    assert all(one != other for one, other in zip(chosen, others, strict=True)), chosen


def test_values_titles_and_choices_are_not_cut_off_and_cards_are_scrolled_to_their_ends(
    browser: Browser, server: Service
) -> None:
    page = browsers.open_page(browser)
    visit = Visit(page, server.url)
    visit.open(f"{VIEW}?mode=swipe", settled=False)
    expect(page.locator("#origin")).to_contain_text("ynthesised")
    page.keyboard.press("i")
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#inspected")).to_contain_text("uncertainty")
    for width, height in ((390, 844), (640, 800), (667, 375), (844, 390), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(CUT_OFF) == [], (width, height)
        if width in (640, 1024):
            assert page.evaluate(TITLE_FITS), (width, height)
    page.set_viewport_size({"width": 844, "height": 390})
    page.keyboard.press("r")
    page.locator("#rendering h2").hover()
    page.mouse.wheel(0, 400)
    browsers.wait_until(page, AT_ITS_END)
    page.close()


def test_a_message_is_whole_on_a_phone_and_covers_no_button(
    browser: Browser, server: Service
) -> None:
    page = browsers.open_page(browser, {"width": 390, "height": 844})
    Visit(page, server.url).open("nosuch/20/1/2", settled=False)
    message = page.locator("#messages p")
    expect(message).to_contain_text("is not on this server")
    for width, height in ((390, 844), (640, 800), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        panel, button, plus = (
            page.locator(name).bounding_box()
            for name in ("#messages p", "#messages button", "#zoom-in")
        )
        assert panel is not None
        assert button is not None
        assert plus is not None
        assert button["x"] + button["width"] <= panel["x"] + panel["width"]
        assert panel["x"] + panel["width"] <= plus["x"], "beside the ladder"
    message.get_by_role("button").click()
    expect(message).to_have_count(0)
    page.close()


@pytest.mark.slow
def test_a_phone_goes_past_native_by_touch(browser: Browser, server: Service) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True,
        color_scheme="dark",
    )  # fmt: skip
    page = context.new_page()
    visit = Visit(page, server.url)
    with browsers.watch(page, server.url):
        visit.open(f"yellowstone/19/{PLACE}")
        page.locator("#zoom-in").tap()
        visit.zoomed(20)
        assert visit.text("origin") == "Synthesised detail ×1.9"
        page.get_by_text("Flicker", exact=True).tap()
        expect(page.locator("#flicker-name")).to_have_text("Super-resolved")
        page.locator("#open-inspect").tap()
        page.touchscreen.tap(120, 560)
        expect(page.locator("#inspected table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
