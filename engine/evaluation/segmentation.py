"""An evaluation by task: a small network that finds buildings, trained on true pixels.

It tests the paper's claim that a task performs nearly as well on super-resolved pictures as on
true ones, and better than on interpolated ones.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.imagery import Pixels

Mask = NDArray[np.bool_]
CROP_PX = 128
WIDTH = 24


class Segmenter(nn.Module):
    """A U-Net of three levels: picture (B, 3, H, W) in [0, 1] -> building logits (B, 1, H, W)."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.first = _pair(3 * 4, width)
        self.second = _pair(width, 2 * width)
        self.third = _pair(2 * width, 4 * width)
        self.up_second = _pair(6 * width, 2 * width)
        self.up_first = _pair(3 * width, width)
        self.exit = nn.Conv2d(width, 4, 1)

    def forward(self, picture: Tensor) -> Tensor:
        fine = self.first(F.pixel_unshuffle(picture * 2 - 1, 2))
        middle = self.second(F.max_pool2d(fine, 2))
        coarse = self.third(F.max_pool2d(middle, 2))
        middle = self.up_second(torch.cat((F.interpolate(coarse, scale_factor=2.0), middle), dim=1))
        fine = self.up_first(torch.cat((F.interpolate(middle, scale_factor=2.0), fine), dim=1))
        return F.pixel_shuffle(self.exit(fine), 2)


def _pair(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, 3, padding=1),
        nn.BatchNorm2d(width_out),
        nn.ReLU(),
        nn.Conv2d(width_out, width_out, 3, padding=1),
        nn.BatchNorm2d(width_out),
        nn.ReLU(),
    )


def train_segmenter(
    picture: Pixels, buildings: Mask, iterations: int = 400, seed: int = 0
) -> Segmenter:
    """Train on crops of one picture (3, H, W), in all eight orientations."""
    torch.manual_seed(seed)  # initial parameters; torch has no other way in
    generator = np.random.default_rng(seed)
    network = Segmenter()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=iterations)
    for _ in range(iterations):
        pictures, targets = zip(
            *(_crop(picture, buildings, generator) for _ in range(16)), strict=True
        )
        logits = network(torch.from_numpy(np.stack(pictures)))
        target = torch.from_numpy(np.stack(targets)).float()[:, None]
        likely = torch.sigmoid(logits)
        overlap = 2 * (likely * target).sum() / (likely.sum() + target.sum() + 1)
        loss = F.binary_cross_entropy_with_logits(logits, target) + 1 - overlap
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's has no types
        optimizer.step()
        schedule.step()
    return network.eval()


@torch.inference_mode()
def intersection_over_union(network: Segmenter, picture: Pixels, buildings: Mask) -> float:
    """IoU of the buildings found in a picture (3, H, W) with sides that 8 divides."""
    found = network(torch.from_numpy(picture)[None])[0, 0].numpy() > 0
    return float((found & buildings).sum() / max(1, (found | buildings).sum()))


def _crop(picture: Pixels, buildings: Mask, generator: np.random.Generator) -> tuple[Pixels, Mask]:
    row = generator.integers(picture.shape[1] - CROP_PX + 1)
    col = generator.integers(picture.shape[2] - CROP_PX + 1)
    turns, mirror = int(generator.integers(4)), generator.random() < 0.5
    place = (..., slice(row, row + CROP_PX), slice(col, col + CROP_PX))
    turned = [np.rot90(values[place], turns, (-2, -1)) for values in (picture, buildings)]
    shown, mask = (values[..., ::-1] if mirror else values for values in turned)
    light = generator.uniform(0.85, 1.15)
    return np.ascontiguousarray(np.clip(shown * np.float32(light), 0, 1)), np.ascontiguousarray(
        mask
    )
