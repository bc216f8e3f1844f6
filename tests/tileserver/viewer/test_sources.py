"""Many sources in the page: found, told apart, and left again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.server import Service
from tests.support.visiting import PLACE, Visit

WHY = "lost.tif: No such file or directory"


@pytest.fixture
def many(server: Service, visit: Visit) -> list[dict[str, Any]]:
    """Thirty entries in place of two: those of the server, others of its kind, and one lost."""
    entries = server.get("/sources.json").json()
    first = entries[0]
    for number in range(27):
        other = {"id": f"sheet-{number}", "title": f"Sheet {number:02}", "width": 10 + number}
        entries.append({**first, **other, "imagery_pixel_metres": 1 + number % 7})
    gone = dict.fromkeys(("tilejson", "native_zoom", "max_zoom", "extent", "thumbnail", "width"))
    entries.append({**first, **gone, "id": "lost", "title": "Lost", "unavailable": WHY})
    visit.page.route("**/sources.json", lambda route: route.fulfill(json=entries))
    return entries


def shown(page: Page) -> list[str]:
    return page.locator("#source-list > li:visible .title").all_inner_texts()


def test_sources_are_searched_sorted_and_told_apart(
    visit: Visit, many: list[dict[str, Any]]
) -> None:
    page = visit.page
    visit.open(f"yellowstone/19/{PLACE}?mode=single")
    page.locator("#open-sources").click()
    assert shown(page) == [entry["title"] for entry in many]
    card = page.locator("#source-list > li").first.inner_text()
    assert page.locator("#source-map rect").count() == len(many) - 1, "lost has no extent"
    for said in ("2019", "0.20 m, to zoom 19", "EPSG:32612", "pixels, 3 bands"):
        assert said in card
    page.select_option("#source-order", "title")
    assert shown(page)[:2] == ["Lost", "Sheet 00"]
    page.select_option("#source-order", "size")
    assert shown(page)[:2] == ["Yellowstone meadow, true 10 cm", "Yellowstone meadow, 20 cm"]
    page.select_option("#source-order", "ground")
    assert shown(page)[0] == "Yellowstone meadow, true 10 cm"
    page.get_by_label("Search sources").fill("07 SHEET")
    assert shown(page) == ["Sheet 07"]
    assert page.locator("#source-map rect").count() == 1
    page.get_by_label("Search sources").fill("nothing like it")
    expect(page.locator("#source-none")).to_be_visible()
    page.get_by_label("Search sources").fill("lost")
    assert shown(page) == ["Lost"]
    expect(page.locator("#source-list")).to_contain_text(f"Cannot be shown: {WHY}")
    expect(page.locator("[data-source=lost]")).to_be_disabled()
    page.unroute_all()


def test_a_footprint_is_marked_with_its_source_and_picks_it(visit: Visit) -> None:
    page = visit.page
    visit.open(f"yellowstone/20/{PLACE}?mode=single")
    page.keyboard.press("l")
    boxes = page.locator("#source-map rect")
    expect(boxes).to_have_count(2)
    expect(page.locator("#source-map .current title")).to_have_text("Yellowstone meadow, 20 cm")
    page.locator("[data-source=truth]").hover()
    expect(page.locator("#source-map .pointed title")).to_have_text(
        "Yellowstone meadow, true 10 cm"
    )
    page.locator("[data-footprint=truth]").dispatch_event("click")
    expect(page.locator("#source-title")).to_have_text("Yellowstone meadow, true 10 cm")
    expect(page.locator("#sources")).to_be_hidden()


def test_another_source_of_the_same_ground_keeps_the_view_and_back_returns(visit: Visit) -> None:
    page = visit.page
    visit.open(f"yellowstone/20/{PLACE}?mode=single")
    before = page.url
    page.locator("#open-sources").click()
    page.locator("[data-source=truth]").click()
    expect(page.locator("#source-title")).to_have_text("Yellowstone meadow, true 10 cm")
    visit.settle()
    assert page.url == before.replace("#yellowstone", "#truth")
    page.go_back()
    expect(page.locator("#source-title")).to_have_text("Yellowstone meadow, 20 cm")
    visit.settle()
    assert page.url == before


def test_a_source_that_is_not_there_is_named_and_its_own_view_opens_another(
    visit: Visit, many: list[dict[str, Any]]
) -> None:
    page, told = visit.page, visit.page.get_by_role("alert")
    latitude, longitude = map(float, PLACE.split("/"))
    many[0]["view"] = {"longitude": longitude, "latitude": latitude, "zoom": 20}
    visit.open("nowhere/19/1/2?mode=single")
    expect(told).to_contain_text('The source "nowhere" is not on this server')
    assert page.url.split("#")[1].startswith(f"yellowstone/20/{latitude:.7f}/{longitude:.7f}")
    told.get_by_role("button", name="Close").click()
    expect(told).to_be_empty()
    visit.open("lost?mode=single")
    expect(told).to_contain_text(f'The source "lost" cannot be shown ({WHY})')
    page.unroute_all()
