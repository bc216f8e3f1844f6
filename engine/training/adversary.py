"""A discriminator that learns to tell drawn pictures from true ones, beside the network.

Small patches are judged (Isola et al., arXiv:1611.07004) with spectral normalisation (Miyato et
al., arXiv:1802.05957) and a hinge loss. It sees the enlarged data too, so that a picture must also
fit what it was drawn from. Its pull on the network is a fixed share of what all other judges of
drawn pictures pull together, whose gradients are compared every now and then (the adaptive weight
of Esser et al., arXiv:2012.09841).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

WIDTH = 64
NEGATIVE_SLOPE = 0.2
LEARNING_RATE, BETAS = 2e-4, (0.5, 0.99)
COMPARED_EVERY = 20
"""Every so many batches the gradients are compared."""
KEPT = 0.5
"""Exponent of the weight before, in its geometric mean with what is found then."""
LEAST = 1e-12
"""Added to both gradients, so that neither is zero."""
STARTS_AFTER, GROWS_FOR = 50, 100
"""Batches before which the discriminator pulls nothing, and over which its pull grows."""


class Discriminator(nn.Module):
    """Pictures and their enlarged data, (B, C, H, W) in [0, 1] each -> (B, 1, H / 4, W / 4).

    High where a patch looks true.
    """

    def __init__(self, image_channels: int) -> None:
        super().__init__()
        shapes = (
            (2 * image_channels, WIDTH, 1),
            (WIDTH, WIDTH, 2),
            (WIDTH, 2 * WIDTH, 1),
            (2 * WIDTH, 2 * WIDTH, 2),
            (2 * WIDTH, 2 * WIDTH, 1),
        )
        layers: list[nn.Module] = []
        for width_in, width_out, stride in shapes:
            layers += [_convolution(width_in, width_out, stride), nn.LeakyReLU(NEGATIVE_SLOPE)]
        self.layers = nn.Sequential(*layers, _convolution(2 * WIDTH, 1, 1))

    def forward(self, picture: Tensor, data: Tensor) -> Tensor:
        found: Tensor = self.layers(2 * torch.cat((picture, data), dim=1) - 1)
        return found


class Adversary:
    """The discriminator of a run, and its pull on the network."""

    def __init__(self, share: float, image_channels: int, device: str) -> None:
        """share: of the other judges' gradient."""
        self.share = share
        self.discriminator = Discriminator(image_channels).to(device)
        self.optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=LEARNING_RATE, betas=BETAS
        )
        self.batches, self.weight = 0, 0.0

    def loss(
        self, picture: Tensor, truth: Tensor, low: Tensor, bands: Tensor, others: Tensor
    ) -> Tensor:
        """Its term of the network's loss, after the discriminator has learned from this batch.

        picture and truth (B, C, 4h, 4w); low: their data (B, C, h, w); bands: what the picture was
        made from; others: the terms of all other judges. Both depend on the bands.
        """
        data = F.interpolate(low, size=picture.shape[-2:], mode="bicubic")
        self._learn(picture.detach(), truth, data)
        self.discriminator.requires_grad_(False)
        doubt: Tensor = -self.discriminator(picture, data).mean()
        self.discriminator.requires_grad_(True)
        if self.batches % COMPARED_EVERY == 0:
            self._compare(bands, doubt, others)
        grown = (self.batches - STARTS_AFTER) / GROWS_FOR
        self.batches += 1
        return self.share * min(1.0, max(0.0, grown)) * self.weight * doubt

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to resume."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches,
            "weight": self.weight,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from what state_dict gave."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches, self.weight = state["batches"], state["weight"]

    def _learn(self, picture: Tensor, truth: Tensor, data: Tensor) -> None:
        error = F.relu(1 - self.discriminator(truth, data)).mean()
        error = error + F.relu(1 + self.discriminator(picture, data)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        error.backward()  # type: ignore[no-untyped-call]  # torch's has no types
        self.optimizer.step()

    def _compare(self, bands: Tensor, doubt: Tensor, others: Tensor) -> None:
        ours, theirs = (
            torch.autograd.grad(term, bands, retain_graph=True)[0].norm()
            for term in (doubt, others)
        )
        found = float((theirs + LEAST) / (ours + LEAST))
        before = self.weight if self.batches else found
        self.weight = before**KEPT * found ** (1 - KEPT)


def _convolution(width_in: int, width_out: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(width_in, width_out, 3, stride, padding=1))
