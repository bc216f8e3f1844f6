from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fusion import Fusion, contribution
from engine.lattice import Lattice, Patch
from engine.noise import NoiseField, normals, philox
from engine.window import Window

FIELD = NoiseField(noise_seed=7, stream=0, zoom=18)
LATTICE = Lattice(64, 48)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # Random123's known answers for philox4x32_10
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], words: str
) -> None:
    c0, c1, c2, c3 = (torch.tensor(value) for value in counter)
    assert " ".join(f"{int(w):08x}" for w in philox((c0, c1, c2, c3), key)) == words


def test_normals_of_one_address_are_what_they_have_always_been() -> None:
    values = normals((1, 2), Window(-3, 2**33, 2, 2), 10)
    assert [round(v, 4) for v in values[:, 0, 0].tolist()] == KNOWN_NORMALS
    key = FIELD.key(step=2, patch=Patch(-1, 5))
    assert key == KNOWN_KEY


KNOWN_NORMALS = [
    1.8755, 2.3581, 0.985, 0.4509, -0.3883, 0.0501, 0.1849, -0.2744, -0.3187, -0.9663,
]  # fmt: skip
KNOWN_KEY = (3388724153, 2890410569)


@settings(max_examples=40, deadline=None)
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


def test_the_fused_noise_is_white_and_of_unit_variance_everywhere() -> None:
    window = Window(0, 0, 480, 480)
    field = torch.cat([FIELD.fused(step, LATTICE, window, 27) for step in range(4)])
    assert field.mean().abs() < 0.002
    rows = torch.arange(480) % 48
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
        normals((0, 0), Window(2**47, 0, 1, 1), 9)
