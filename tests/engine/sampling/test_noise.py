from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sampling.fusion import contribution
from engine.sampling.lattice import Lattice, Patch
from engine.sampling.noise import NoiseField, normals, split_mix
from engine.sampling.settings import Fusion
from engine.window import Window

FIELD = NoiseField(noise_seed=7, stream=0, zoom=18)
LATTICE = Lattice(64, 48)


def test_split_mix_gives_the_known_answers() -> None:
    gamma = 0x9E3779B97F4A7C15  # the first outputs of SplitMix64 with seed 0
    counters = [(step * gamma + 2**63) % 2**64 - 2**63 for step in (1, 2, 3)]
    words = split_mix(torch.tensor(counters)).tolist()
    assert [f"{word % 2**64:016x}" for word in words] == [
        "e220a8397b1dcdaf", "6e789e6aa1b965f4", "06c45d188009454f",
    ]  # fmt: skip


def test_normals_of_one_address_are_what_they_have_always_been() -> None:
    values = normals(12, Window(-3, 2**33, 2, 2), 10)
    assert [round(v, 4) for v in values[:, 0, 0].tolist()] == KNOWN_NORMALS
    key = FIELD.key(step=2, patch=Patch(-1, 5))
    assert key == KNOWN_KEY


KNOWN_NORMALS = [
    -1.2396, 0.9915, 0.5851, 2.739, 1.3274, -0.7624, -0.7059, -0.4756, 0.7512, -0.9249,
]  # fmt: skip
KNOWN_KEY = 12414218869256475577


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([0, -(2**20), 2**34, -(2**40)]),
    st.integers(-60, 60),
    st.integers(-60, 60),
    st.integers(1, 70),
    st.integers(1, 70),
)
def test_any_crop_of_the_fused_noise_is_bit_equal(
    far: int, row: int, col: int, height: int, width: int
) -> None:
    whole = Window(far - 60, -far - 60, 200, 200)
    crop = Window(far + row, -far + col, height, width)
    rows, cols = whole.slices(crop)
    expected = FIELD.fused(1, LATTICE, whole, 9)[:, rows, cols]
    assert torch.equal(FIELD.fused(1, LATTICE, crop, 9), expected)


def test_noise_differs_in_every_part_of_its_address() -> None:
    window = Window(0, 0, 40, 40)
    fields = [
        FIELD.fused(0, LATTICE, window, 9),
        FIELD.fused(1, LATTICE, window, 9),
        NoiseField(8, 0, 18).fused(0, LATTICE, window, 9),
        NoiseField(7, 1, 18).fused(0, LATTICE, window, 9),
        NoiseField(7, 0, 19).fused(0, LATTICE, window, 9),
        FIELD.fused(0, LATTICE, Window(2**32, 0, 40, 40), 9),
        FIELD.patch(2, Patch(0, 0), window, 9),
        FIELD.patch(2, Patch(0, 1), window, 9),
        FIELD.patch(2, Patch(1, 0), window, 9),
    ]
    flat = torch.stack([field.flatten() for field in fields])
    correlation = torch.corrcoef(flat) - torch.eye(len(fields))
    assert correlation.abs().max() < 0.04  # 4.8 standard deviations of 14,400 samples


@pytest.mark.parametrize("place", [(0, 0), (-250, 2**40)])
def test_numbers_are_normal_and_neighbours_strangers(place: tuple[int, int]) -> None:
    field = normals(3, Window(*place, 500, 500), 16)
    moments = [float((field**power).mean()) for power in (1, 2, 3, 4)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=0.02)
    flat = field.flatten(1)
    between = torch.corrcoef(flat) - torch.eye(len(flat))
    assert between.abs().max() < 0.01  # 5 standard deviations of 250,000 samples
    for rows, cols in ((1, 0), (0, 1), (1, 1), (2, 1), (64, 0), (0, 256)):
        pair = field[:, rows:, cols:] * field[:, : 500 - rows, : 500 - cols]
        assert pair.mean(dim=(1, 2)).abs().max() < 0.012


def test_the_fused_noise_is_white_and_of_unit_variance_everywhere() -> None:
    window = Window(0, 0, 240, 240)
    field = torch.cat([FIELD.fused(step, LATTICE, window, 27) for step in range(4)])
    assert field.mean().abs() < 0.002
    rows = torch.arange(240) % 48
    overlap = rows < 16
    for down in (overlap, ~overlap):
        for across in (overlap, ~overlap):
            part = field[:, down][:, :, across]
            assert part.std().item() == pytest.approx(1, abs=0.02)
    for shifted in (field[:, 1:], field[:, :, 1:]):
        other = field[:, : shifted.shape[1], : shifted.shape[2]]
        assert (shifted * other).mean().abs() < 0.002


def test_averaging_loses_variance_where_sdvc_keeps_it() -> None:
    window, middle = Window(48, 48, 16, 16), slice(5, 11)
    spread = {}
    for rule in (Fusion.AVERAGE, Fusion.SDVC):
        total = torch.zeros(4000, 16, 16)
        for patch in LATTICE.cover(window):
            part = LATTICE.support(patch).intersection(window)
            assert part == window, "all four patches cover the corner of overlaps"
            noise = FIELD.patch(0, patch, window, 4000)
            zero = torch.zeros_like(noise)
            total += contribution(rule, zero, noise, LATTICE.blend(patch, window))
        spread[rule] = total[:, middle, 8].std().item()
    assert spread[Fusion.SDVC] == pytest.approx(1, abs=0.02)
    assert spread[Fusion.AVERAGE] < 0.75


def test_coordinates_beyond_the_counter_are_refused() -> None:
    with pytest.raises(ValueError, match="lies beyond"):
        normals(0, Window(2**63, 0, 1, 1), 9)
