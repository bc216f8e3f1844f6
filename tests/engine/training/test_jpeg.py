"""JPEG's losses on tensors are those of a real coder."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.training.jpeg import jpeg_coded
from tileserver.lab.pictures import read_pictures

TRUTH = Path(__file__).parents[3] / "deploy" / "demo" / "yellowstone_10cm_truth.tif"


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_a_picture_is_as_the_coder_of_a_library_gives_it_back(quality: int) -> None:
    ((_, scene),) = read_pictures(TRUTH)
    picture = np.ascontiguousarray(scene[64:164, 64:172])  # neither side is a multiple of 16
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(stream), dtype=np.float32)
    tensor = torch.from_numpy(picture.transpose(2, 0, 1)[None]).float() / 255
    ours = jpeg_coded(tensor, torch.tensor([float(quality)]))[0].numpy().transpose(1, 2, 0) * 255
    lost = np.abs(decoded - picture).mean()
    assert np.abs(ours - decoded).mean() < max(0.4 * lost, 0.5)  # half a level: coders round
    assert np.abs(ours - picture).mean() == pytest.approx(lost, rel=0.1)
    np.testing.assert_allclose(ours, ours.round(), atol=1e-4)


def test_every_picture_of_a_batch_has_its_own_quality() -> None:
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    both = jpeg_coded(pictures, torch.tensor([50.0, 90.0]))
    for place, quality in enumerate((50.0, 90.0)):
        one = jpeg_coded(pictures[place : place + 1], torch.tensor([quality]))
        torch.testing.assert_close(both[place], one[0])
