"""Perceptual distance: how differently a vision network sees two pictures (LPIPS).

The metric of Zhang et al. (arXiv:1801.03924) in its shift-tolerant form (Ghazanfari et al.,
ST-LPIPS, arXiv:2207.13686): features of every stage, normalised over channels, squared
differences weighted by learned heads, averaged over the picture. The trained parameters
(BSD-2-Clause) come from the wheel `stlpips_pytorch`, which is wanted for training and for
evaluation only, never for serving; this file is an implementation of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import TrainingError

Backbone = Literal["alex", "vgg"]

# Every stage as a list of layers: ("conv", name, stride, padding), ("blur", name), ("relu",),
# ("max", kernel). Names are those of the parameter file; a stage's output is compared.
_STAGES: dict[Backbone, list[list[tuple[str, str, int]]]] = {
    "alex": [
        [("conv", "slice1.0", 2), ("blur", "slice1.1", 0), ("relu", "", 0)],
        [("max", "", 3), ("blur", "slice2.4", 0), ("conv", "slice2.5", 2), ("relu", "", 0)],
        [("max", "", 3), ("blur", "slice3.8", 0), ("conv", "slice3.9", 1), ("relu", "", 0)],
        [("conv", "slice4.11", 1), ("relu", "", 0)],
        [("conv", "slice5.13", 1), ("relu", "", 0)],
    ],
    "vgg": [
        [
            layer
            for index in indices
            for layer in (
                [("max", "", 2), ("blur", f"slice{stage}.{index}", 0)]
                if index < 0
                else [("conv", f"slice{stage}.{index}", 1), ("relu", "", 0)]
            )
        ]
        for stage, indices in enumerate(
            [[0, 2], [-5, 6, 8], [-11, 12, 14, 16], [-19, 20, 22, 24], [-27, 28, 30, 32]], start=1
        )
    ],
}


class PerceptualDistance(nn.Module):
    """Distance of two batches (B, 3, H, W) in [0, 1]: a tensor (B,), 0 where they are equal."""

    def __init__(self, backbone: Backbone = "alex") -> None:
        super().__init__()
        self.stages = _STAGES[backbone]
        for name, value in _parameters(backbone).items():
            self.register_buffer(_attribute(name), value)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.distances(first, second)

    def distances(self, pictures: Tensor, truth: Tensor) -> Tensor:
        """Distances (B,) of pictures (B, 3, H, W) to their truths, or to the one truth of all."""
        with torch.set_grad_enabled(truth.requires_grad):
            true_stages = list(self._stages(truth))
        total = pictures.new_zeros(pictures.shape[0])
        for number, (shown, true) in enumerate(
            zip(self._stages(pictures), true_stages, strict=True)
        ):
            head = self.get_buffer(f"lin{number}_model_1_weight")
            total = total + F.conv2d((shown - true) ** 2, head).mean(dim=(1, 2, 3))
        return total

    def _stages(self, pictures: Tensor) -> Iterator[Tensor]:
        """Every stage's features, normalised over channels."""
        shift, scale = (
            self.get_buffer("scaling_layer_shift"),
            self.get_buffer("scaling_layer_scale"),
        )
        features = (pictures * 2.0 - 1.0 - shift) / scale
        for stage in self.stages:
            for kind, name, size in stage:
                features = self._layer(features, kind, name, size)
            yield F.normalize(features, dim=1, eps=1e-10)

    def _layer(self, features: Tensor, kind: str, name: str, size: int) -> Tensor:
        if kind == "relu":
            return F.relu(features)
        if kind == "max":
            return F.max_pool2d(features, size, stride=1)
        if kind == "blur":
            kernel = self.get_buffer(_attribute(f"net.{name.replace('-', '')}.filt"))
            padded = F.pad(features, (2, 2, 2, 2), mode="reflect")
            return F.conv2d(padded, kernel, stride=2, groups=kernel.shape[0])
        weight = self.get_buffer(_attribute(f"net.{name}.weight"))
        bias = self.get_buffer(_attribute(f"net.{name}.bias"))
        return F.conv2d(features, weight, bias, padding=size)


def _attribute(name: str) -> str:
    return name.replace(".", "_")


def _parameter_file(backbone: Backbone) -> Path:
    spec = find_spec("stlpips_pytorch")
    if spec is None or spec.origin is None:
        raise TrainingError(
            "the perceptual distance needs the parameters in the package stlpips_pytorch: "
            "install overzoom[train]"
        )
    return Path(spec.origin).parent / "weights" / "vST0.0" / f"{backbone}_shift_tolerant.pth"


def _parameters(backbone: Backbone) -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = torch.load(
        _parameter_file(backbone), map_location="cpu", weights_only=True
    )
    return loaded
