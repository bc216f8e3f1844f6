"""SPAN x4 from a file as the challenge names its parameters; the true file does not ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from engine.errors import CheckpointError
from engine.network.span import WIDTH, load_span
from tests.support.span import span_parameters


def test_the_last_blocks_first_convolution_is_joined_behind_its_rectifier(tmp_path: Path) -> None:
    parameters = span_parameters()
    parameters["block_6.c1_r.eval_conv.bias"].fill_(-1.5)
    parameters["conv_cat.weight"][0, 3 * WIDTH] = 1
    parameters["upsampler.0.weight"][:, 0, 1, 1] = 1
    torch.save(parameters, tmp_path / "span.pth")
    drawn = load_span(tmp_path / "span.pth")(torch.rand(1, 3, 5, 7))
    assert drawn.shape == (1, 3, 20, 28)
    torch.testing.assert_close(drawn, F.silu(torch.tensor(-1.5)).expand_as(drawn))


def test_means_are_subtracted_and_the_channels_are_shuffled_into_pixels(tmp_path: Path) -> None:
    parameters = span_parameters()
    parameters["conv_1.eval_conv.weight"][range(3), range(3), 1, 1] = 1 / 255
    parameters["conv_cat.weight"][range(3), range(3)] = 1
    for colour in range(3):
        parameters["upsampler.0.weight"][16 * colour : 16 * colour + 16, colour, 1, 1] = 1
    torch.save(parameters, tmp_path / "span.pth")
    low = torch.rand(1, 3, 4, 4)
    drawn = load_span(tmp_path / "span.pth")(low)
    means = torch.tensor((0.4488, 0.4371, 0.4040))[:, None, None]
    torch.testing.assert_close(drawn, F.interpolate(low - means, scale_factor=4))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no parameters")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("text.pth", "other.pth", "missing.pth"):
        with pytest.raises(CheckpointError, match=f"{name}: not the parameters of SPAN x4"):
            load_span(tmp_path / name)
