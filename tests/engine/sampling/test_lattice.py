from __future__ import annotations

import numpy as np
import pytest

from engine.sampling.lattice import Lattice, Patch
from engine.window import Window

LATTICES = [Lattice(), Lattice(64, 48), Lattice(32, 32), Lattice(30, 8)]
PLACES = [Window(-37, 91, 70, 85), Window(2**36, -(2**36) - 5, 70, 60)]


def summed(lattice: Lattice, window: Window, power: int) -> np.ndarray:
    total = np.zeros((window.height, window.width))
    for patch in lattice.cover(window):
        part = lattice.support(patch).intersection(window)
        assert part is not None, "cover names patches that touch the window only"
        weight = np.multiply.outer(*lattice.blend(patch, part).weight)
        assert weight.min() > 0
        rows, cols = window.slices(part)
        total[rows, cols] += weight**power
    return total


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("window", PLACES)
def test_w_and_s_are_the_sums_over_the_patches_that_cover_a_pixel(
    lattice: Lattice, window: Window
) -> None:
    total, squares = summed(lattice, window, 1), summed(lattice, window, 2)
    for patch in lattice.cover(window):
        part = lattice.support(patch).intersection(window)
        assert part is not None
        blend, (rows, cols) = lattice.blend(patch, part), window.slices(part)
        np.testing.assert_allclose(np.multiply.outer(*blend.total), total[rows, cols], rtol=1e-12)
        np.testing.assert_allclose(
            np.multiply.outer(*blend.root), np.sqrt(squares[rows, cols]), rtol=1e-12
        )


@pytest.mark.parametrize("lattice", LATTICES)
def test_owned_pixels_tile_the_plane(lattice: Lattice) -> None:
    window = Window(-50, 33, 150, 140)
    owners = np.zeros((window.height, window.width), dtype=int)
    for patch in lattice.owners(window):
        assert lattice.support(patch).contains(lattice.owned(patch))
        part = lattice.owned(patch).intersection(window)
        assert part is not None
        rows, cols = window.slices(part)
        owners[rows, cols] += 1
    assert (owners == 1).all()


def test_a_stride_beyond_the_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="stride"):
        Lattice(32, 33)


def test_weights_outside_a_patch_are_refused() -> None:
    with pytest.raises(ValueError, match="does not lie inside"):
        Lattice(32, 24).blend(Patch(0, 0), Window(16, 16, 32, 32))
