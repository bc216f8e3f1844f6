from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.window import Window

coordinates = st.integers(-(2**40), 2**40)
sizes = st.integers(1, 5000)
windows = st.builds(Window, coordinates, coordinates, sizes, sizes)


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        Window(0, 0, 0, 5)


@given(windows, st.sampled_from([1, 2, 4, 256]))
def test_aligning_gives_the_smallest_window_on_multiples(window: Window, multiple: int) -> None:
    outer = window.aligned(multiple)
    assert outer.contains(window)
    edges = (outer.row, outer.col, outer.bottom, outer.right)
    assert all(edge % multiple == 0 for edge in edges)
    assert outer.height < window.height + 2 * multiple
    assert outer.width < window.width + 2 * multiple


@given(windows)
def test_the_parent_of_the_children_is_the_window(window: Window) -> None:
    assert window.children().parent() == window


@given(windows, windows)
def test_a_union_holds_both_and_an_intersection_lies_in_both(one: Window, other: Window) -> None:
    union, common = one.union(other), one.intersection(other)
    assert union.contains(one)
    assert union.contains(other)
    if common is not None:
        assert one.contains(common)
        assert other.contains(common)


def test_slices_of_a_window_outside_are_refused() -> None:
    with pytest.raises(ValueError, match="does not lie inside"):
        Window(0, 0, 4, 4).slices(Window(2, 2, 4, 4))
