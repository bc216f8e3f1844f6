"""What is real, what is synthesised, and how sure that is."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.support import browser as browsers
from tests.support.browser import Held
from tests.support.server import Service
from tests.support.visiting import HEIGHT, MIDDLE, PLACE, WIDTH, Visit

TILE_PX = 256
VIEW = f"yellowstone/20/{PLACE}?mode=single"


def facts(visit: Visit, id: str) -> dict[str, str]:
    """A list of terms and what they are."""
    terms = visit.page.locator(f"#{id} dt").all_inner_texts()
    return dict(zip(terms, visit.page.locator(f"#{id} dd").all_inner_texts(), strict=True))


def test_the_badge_says_what_made_the_detail(visit: Visit, server: Service) -> None:
    visit.open(VIEW)
    visit.page.get_by_role("button", name="Synthesised detail ×1.9").click()
    expect(visit.page.locator("#meaning-text")).to_contain_text("plausible, not measured")
    expect(visit.page.locator("#meaning-text")).to_contain_text("exactly the imagery's own")
    overzoom = server.get("/yellowstone/tilejson.json").json()["overzoom"]
    said = facts(visit, "meaning-facts")
    assert visit.text("zoom") == "Zoom 20, imagery ends at 19"
    assert visit.text("sizes") == "Imagery 0.20 m, these pixels 0.11 m"
    assert said["Pixels on the ground"] == "imagery 0.20 m, these 0.11 m"
    assert said["Checkpoint"].startswith(f"{overzoom['checkpoint']} ")
    assert said["Denoising steps"] == str(overzoom["steps"])
    assert said["Noise seed"] == str(overzoom["noise_seed"])
    assert said["Fingerprint"] == overzoom["fingerprint"]
    visit.page.get_by_role("button", name="Close").click()
    visit.page.locator("[data-zoom='19']").click()
    visit.zoomed(19)
    assert visit.text("zoom") == "Zoom 19, full resolution"
    assert visit.text("sizes") == "Imagery 0.20 m, these pixels 0.21 m"
    visit.page.get_by_role("button", name="Original imagery").click()
    expect(visit.page.locator("#meaning-text")).to_contain_text("Nothing is added")


def test_where_the_imagery_ends_coarser_than_its_file_that_is_not_full_resolution(
    browser: Browser, server: Service
) -> None:
    document = server.get("/yellowstone/tilejson.json?tile_format=png").json()
    document["overzoom"] |= {"imagery_pixel_metres": 0.16, "full_resolution_zoom": 20}
    page = browsers.open_page(browser)
    page.route("**/yellowstone/tilejson.json?*", lambda route: route.fulfill(json=document))
    visit = Visit(page, server.url)
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    assert visit.text("zoom") == "Zoom 19, imagery ends here"
    assert visit.text("sizes") == "Imagery 0.16 m, these pixels 0.21 m"
    for name in ("20 full resolution, synthesised ×1.5", "19 imagery ×0.8"):
        expect(page.get_by_role("button", name=f"Zoom {name}")).to_be_visible()
    page.close()


def table(visit: Visit) -> dict[str, list[float]]:
    expect(visit.page.locator("#inspected table")).to_be_visible()
    rows = [row.split("\t") for row in visit.page.locator("#inspected tr").all_inner_texts()]
    return {name: [float(value) for value in values] for name, *values in rows[1:]}


def test_a_click_tells_a_pixels_values(visit: Visit, server: Service) -> None:
    visit.open(VIEW)
    visit.page.locator("#open-inspect").click()
    x, y = 3 * WIDTH // 4 - 40, HEIGHT // 3
    visit.page.mouse.click(x, y)
    told = table(visit)
    assert list(told) == [
        "File's pixel",
        "Mean, 0.21 m",
        "Super-resolved",
        "Plain enlargement",
        "± uncertainty",
    ]
    (path,) = [r.url for r in visit.requests if "/inspect/" in r.url]
    answer = server.client.get(path).json()
    assert told["File's pixel"] == answer["imagery"]["values"]
    assert np.allclose(told["Super-resolved"], answer["super_resolved"], rtol=0.01)
    assert np.allclose(told["± uncertainty"], answer["uncertainty"], rtol=0.01)
    mark = visit.page.locator(".mark").bounding_box()
    assert mark is not None
    assert abs(mark["x"] + mark["width"] / 2 - x) <= 1


def test_enter_inspects_the_middle_and_the_pixel_is_the_one_on_screen(visit: Visit) -> None:
    visit.open(VIEW)
    visit.page.locator("#map").focus()
    visit.page.keyboard.press("Enter")
    told = table(visit)
    visit.page.keyboard.press("Escape")
    visit.page.locator("#map").blur()
    row, col = HEIGHT // 2, WIDTH // 2
    around = visit.ground()[row - 1 : row + 1, col - 1 : col + 1].reshape(-1, 3)
    assert np.abs(around - told["Super-resolved"]).max(axis=1).min() <= 1


def test_the_sample_that_is_shown_is_the_one_inspected(visit: Visit) -> None:
    visit.open(VIEW)
    visit.page.locator("#map").focus()
    visit.page.keyboard.press("n")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#inspected")).to_contain_text("Super-resolved")
    (asked,) = (request.url for request in visit.requests if "/inspect/" in request.url)
    assert "noise_seed=1" in asked
    visit.page.keyboard.press("Escape")


def test_where_there_is_no_imagery_inspect_says_so(visit: Visit) -> None:
    visit.open(f"yellowstone/17/{PLACE}?mode=single")
    visit.page.locator("#open-inspect").click()
    visit.page.mouse.click(WIDTH - 120, HEIGHT / 2)
    expect(visit.page.locator("#inspected")).to_have_text("There is no imagery here.")
    assert not [r for r in visit.requests if "/inspect/" in r.url]


def test_an_answer_that_is_not_wanted_any_more_is_not_shown(visit: Visit) -> None:
    page, card = visit.page, visit.page.locator("#inspected")
    visit.open(f"yellowstone/17/{PLACE}?mode=single")
    held = Held(page, "**/inspect/**")
    page.locator("#open-inspect").click()
    page.mouse.click(WIDTH / 2, HEIGHT / 2)
    browsers.wait_while_it_runs(page, lambda: held.routes)
    page.mouse.click(WIDTH - 120, HEIGHT / 2)
    expect(card).to_have_text("There is no imagery here.")
    with page.expect_response("**/inspect/**") as answer:
        held.release()
    answer.value.finished()
    for _ in range(2):  # it is parsed, then shown
        browsers.next_frame(page)
    expect(card).to_have_text("There is no imagery here.")
    visit.page.keyboard.press("Escape")


def test_the_uncertainty_is_laid_over_with_its_legend(visit: Visit, server: Service) -> None:
    visit.open(VIEW)
    plain = visit.ground()[MIDDLE]
    visit.page.locator("#open-uncertainty").click()
    visit.settle()
    assert visit.tiles("/yellowstone/uncertainty/")
    covered = visit.ground()[MIDDLE]
    assert np.abs(covered - plain).mean() > 10
    legend = server.get("/yellowstone/uncertainty/legend.json").json()
    ends = visit.page.locator("#legend-ends span").all_inner_texts()
    unit = legend["imagery_units_per_level"]
    assert unit == 1, "8-bit values"
    assert ends == [f"±{legend['minimum']:g}", "less sure →", f"±{legend['maximum']:g}"]
    visit.page.get_by_label("Opacity").fill("30")
    visit.settle()
    faint = visit.ground()[MIDDLE]
    assert 0 < np.abs(faint - plain).mean() < np.abs(covered - plain).mean()
    browsers.wait_until(visit.page, "location.hash.includes('uncertainty=30')")
    visit.page.locator("[data-zoom='19']").click()
    visit.zoomed(19)
    assert visit.tiles("/yellowstone/19/")
    assert not visit.tiles("/uncertainty/", "/19/"), "what is measured has none"
    expect(visit.page.locator("#uncertainty")).to_contain_text("nothing is synthesised")
    for act in (
        lambda: visit.page.keyboard.press("u"),
        lambda: visit.page.locator("#open-uncertainty").click(),
        lambda: visit.page.keyboard.press("u"),
        lambda: visit.page.keyboard.press("Escape"),
        lambda: visit.page.locator("#open-uncertainty").click(),
        lambda: visit.page.locator("#uncertainty .close").click(),
    ):
        act()
        shown = visit.page.locator("#uncertainty").is_visible()
        button = visit.page.locator("#open-uncertainty").get_attribute("aria-expanded")
        assert (button == "true") == shown
        written = "location.hash.includes('uncertainty=')"
        browsers.wait_until(visit.page, written if shown else f"!{written}")


def test_what_is_sure_is_not_covered_and_the_uncertainty_is_smooth(
    visit: Visit, server: Service
) -> None:
    colours = server.get("/yellowstone/uncertainty/legend.json").json()["colours"]
    sure, unsure = (bytes.fromhex(colours[place][1][1:]) for place in (25, 230))
    half = TILE_PX // 2
    row = np.array([[*sure]] * half + [[*unsure]] * half, np.uint8)
    picture = BytesIO()
    Image.fromarray(row[None].repeat(TILE_PX, axis=0)).save(picture, "png")
    visit.open(VIEW)
    plain = visit.ground()[MIDDLE]
    visit.page.route(
        "**/yellowstone/uncertainty/tiles/**", lambda route: route.fulfill(body=picture.getvalue())
    )
    visit.page.keyboard.press("u")
    visit.settle()
    covered = visit.ground()[MIDDLE]
    visit.page.unroute_all()
    away = np.abs(np.array([*unsure], float) - plain).sum(axis=(0, 2))
    share = np.abs(covered - plain).sum(axis=(0, 2)) / away
    clear, full = share < 0.02, abs(share - 0.7) < 0.05
    assert clear.mean() > 0.3
    assert full.mean() > 0.3
    borders = np.abs(np.diff((share > 0.35).astype(int))).sum()
    assert 5 <= (~clear & ~full).sum() / borders <= 24, "columns between, a border"


def test_a_link_to_the_uncertainty_opens_with_the_legend(visit: Visit) -> None:
    visit.open(f"{VIEW}&uncertainty=60")
    expect(visit.page.locator("#legend-bar")).to_be_visible()
    expect(visit.page.get_by_label("Opacity")).to_have_value("60")


@pytest.mark.slow
def test_samples_are_leafed_through_and_compared(visit: Visit) -> None:
    visit.open(VIEW)
    first = visit.ground()
    visit.page.keyboard.press("n")
    visit.settle()
    second = visit.ground()
    assert visit.tiles("noise_seed=1")
    visit.page.keyboard.press("m")
    assert facts(visit, "meaning-facts")["Noise seed"] == "1"
    visit.page.keyboard.press("Escape")
    assert 0.5 < np.abs(second - first).mean() < 20, "another sample of the same ground"
    visit.page.locator("#open-samples").click()
    expect(visit.page.locator("#sample")).to_have_text("Sample 2 of 4")
    visit.page.get_by_role("button", name="Previous sample").click()
    visit.settle()
    assert np.array_equal(visit.ground(), first)
    visit.open(f"yellowstone/20/{PLACE}?mode=swipe&other=sample-1")
    both = visit.ground()
    assert np.array_equal(both[:, 330:], first[:, 330:])
    assert np.array_equal(both[:, :310], second[:, :310])
    assert visit.text("left-name") == "Sample 2"


def test_the_drawer_lists_the_sources(visit: Visit, server: Service) -> None:
    visit.open(VIEW)
    visit.page.locator("#open-sources").click()
    entries = server.get("/sources.json").json()
    cards = visit.page.locator("#source-list > li")
    assert cards.locator(".title").all_inner_texts() == [entry["title"] for entry in entries]
    card = cards.first.inner_text()
    for said in ("0.20 m, to zoom 19", "zoom 22, 0.026 m, ×7.6", "NEON", "DeepForest", "44.956° N"):
        assert said in card
    picture = cards.first.locator("img")
    assert picture.evaluate("e => e.decode().then(() => e.naturalWidth)") > 50
    for link in visit.page.locator("#sources a").all():
        assert server.get(link.evaluate("e => e.pathname")).status_code == 200
    cards.nth(1).locator("button").click()
    visit.zoomed(20)
    assert visit.text("source-title") == entries[1]["title"]


@pytest.mark.slow
def test_attributions_keep_their_links_and_without_synthesis_there_are_no_samples(
    browser: Browser, server: Service
) -> None:
    page, address = (
        browsers.open_page(browser),
        f"{server.url}/yellowstone/tilejson.json?tile_format=png",
    )
    attribution = (
        "<b>NEON</b> &copy; <a href='https://example.org/x' onclick='alert(1)'>Licence</a>"
        "<img src='/none.png' onerror='alert(1)'><script>alert(1)</script>"
        ", <a href='javascript:alert(1)'>more</a>"
    )
    source = server.get("/sources.json").json()[0] | {"attribution": attribution}
    document = server.get(f"{address}&tilesize=256").json()
    document |= {"maxzoom": 19, "attribution": attribution}
    page.route("**/sources.json", lambda route: route.fulfill(json=[source]))
    page.route("**/yellowstone/tilejson.json?*", lambda route: route.fulfill(json=document))
    Visit(page, server.url).open(f"yellowstone/19/{PLACE}")
    page.locator("#open-sources").click()
    link = '<a href="https://example.org/x" target="_blank" rel="noopener">Licence</a>'
    for shown in (page.locator("#source-list dd").last, page.locator("#attribution")):
        assert shown.inner_html().startswith(f"NEON © {link}, more")
    expect(page.locator("#samples")).to_have_attribute("hidden", "")
    assert page.locator("#other option").all_text_contents() == ["plain enlargement", "reference"]
    page.close()


@pytest.mark.slow
def test_the_status_is_asked_for_while_it_is_open_and_only_then(
    visit: Visit, server: Service
) -> None:
    visit.open(VIEW)
    for tile in visit.tiles():
        assert server.get(tile).status_code == 200  # now from memory

    def asked() -> list[str]:
        return [r.url for r in visit.requests if "status.json" in r.url]

    assert not asked()
    visit.page.locator("#open-status").click()
    expect(visit.page.locator("#figures")).to_contain_text("Time per new tile")
    said = facts(visit, "figures")
    assert said["Checkpoint"] == "small"
    assert re.fullmatch(r"\d+ %", said["Found in the cache"])
    assert "– from memory" in said
    with visit.page.expect_request("**/status.json"):
        pass
    assert len(asked()) >= 2
    visit.page.locator("#status .close").click()
    before = len(asked())
    visit.page.wait_for_timeout(2300)
    assert len(asked()) == before


def test_snippets_for_other_maps_are_shown_and_copied(visit: Visit, server: Service) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.open(VIEW)
    visit.page.locator("#open-embed").click()
    expect(visit.page.locator("#embed-list details").first).to_be_visible()
    titles = visit.page.locator("#embed-list :is(label > span, summary)").all_inner_texts()
    where = "/yellowstone/embed.json?zoom=20&lon=-110.6435540&lat=44.9559930"
    snippets = server.get(where).json()
    assert titles == [snippet["title"] for snippet in snippets]
    visit.page.locator("#embed-list").get_by_role("button", name="Copy").first.click()
    expect(visit.page.locator("#toast")).to_have_text("XYZ tiles copied")
    assert visit.page.evaluate("navigator.clipboard.readText()") == snippets[0]["text"]
    visit.page.locator("#embed-list summary").first.click()
    visit.page.locator("#embed-list details button").first.click()
    expect(visit.page.locator("#toast")).to_have_text("Leaflet copied")
    assert visit.page.evaluate("navigator.clipboard.readText()") == snippets[3]["text"]
