from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UnpinnedRead
from engine.pictures.pinned import Pinned
from engine.pictures.probe import Waves
from engine.window import Window


def pin(*windows: Window) -> Pinned:
    return Pinned.join(Pinned([(window, Waves().read(window))]) for window in windows)


HELD = (Window(-10, 0, 20, 20), Window(-10, 15, 20, 30), Window(10, 0, 5, 45), Window(99, 99, 9, 9))


@pytest.mark.parametrize(
    "window",
    [HELD[0], Window(-3, 4, 7, 9), Window(-3, 10, 5, 20), Window(-10, 0, 25, 45)],
)
def test_windows_inside_what_is_held_have_the_imagery_s_pixels(window: Window) -> None:
    pixels = pin(*HELD).read(window)
    assert np.array_equal(pixels, Waves().read(window))
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize(
    "window",
    [Window(50, 50, 2, 2), Window(-11, 0, 5, 5), Window(-10, 0, 26, 45), Window(9, 9, 99, 99)],
)
def test_a_window_that_is_not_held_whole_cannot_be_read(window: Window) -> None:
    with pytest.raises(UnpinnedRead, match="is not pinned, only Window"):
        pin(*HELD).read(window)
    with pytest.raises(UnpinnedRead, match="only nothing"):
        Pinned([]).read(window)
