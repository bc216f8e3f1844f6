"""The uncertainty of a super-resolution: the error's standard deviation, pixel by pixel.

The encoder predicts it beside the mean, from the condition alone (Kendall and Gal,
arXiv:1703.04977), so it is seamless like the pictures and costs one encoding. Deeper than
native + 2 the condition itself is uncertain: its variance is added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.imagery import Computed, Imagery, Input, Pixels
from engine.network.calibration import Calibration
from engine.network.checkpoint import Checkpoint
from engine.network.local import DEVIATIONS, SCALE, LocalDenoiser
from engine.pictures.super_resolution import by_group, state_window
from engine.sampling.sampler import channel_groups
from engine.window import Window


class PredictedDeviation(Computed):
    """Standard deviation of the error of a SuperResolved picture, before calibration.

    Pixels (C, H, W), where 1 is the whole range of the source.
    """

    def __init__(
        self,
        condition: Imagery,
        channels: int,
        checkpoint: Checkpoint,
        device: str = "cpu",
        *,
        depth: int = 1,
        above: Imagery | None = None,
    ) -> None:
        """depth: as SuperResolved's. above: the deviation of the picture that the condition is
        doubled from, one zoom above it; None where the condition is data.

        Raises ValueError for a denoiser that predicts no deviation.
        """
        denoiser = checkpoint.denoiser
        if not isinstance(denoiser, LocalDenoiser):
            raise ValueError("a denoiser that sees its whole input predicts no deviation")
        self.denoiser, self.sigma_data = denoiser, checkpoint.sigma_data
        self.condition, self.above, self.depth, self.device = condition, above, depth, device
        self.groups = channel_groups(channels, denoiser.config.image_channels)

    @property
    def scale(self) -> int:
        """Pixels of the picture a state pixel, per axis."""
        return SCALE << (self.depth - 1)

    def inputs(self, window: Window) -> list[Input]:
        condition = Input(self.condition, self._outer(window).children(SCALE))
        if self.above is None:
            return [condition]
        return [condition, Input(self.above, window.parent(self.scale))]

    @torch.inference_mode()
    def compute(
        self, windows: Sequence[Window], inputs: Sequence[Sequence[Pixels]]
    ) -> list[Pixels]:
        return [
            self._combined(window, self._own(window, condition), *above)
            for window, (condition, *above) in zip(windows, inputs, strict=True)
        ]

    def _outer(self, window: Window) -> Window:
        """The state pixels whose condition a window's deviation is predicted from."""
        return state_window(window, self.scale).dilated(self.denoiser.encode_reach_px)

    def _own(self, window: Window, pixels: Pixels) -> Pixels:
        """The deviation given the condition's pixels, without the condition's own uncertainty."""
        condition = torch.from_numpy(pixels).to(self.device)
        predicted = self.denoiser.deviation(by_group(condition, self.groups))
        levels = error_pictures(predicted)[self.depth - 1]
        deviation = _ungrouped(levels, self.groups) * self.sigma_data[self.depth - 1]
        state = state_window(window, self.scale)
        rows, cols = state.children(self.scale).slices(window)
        own: Pixels = deviation[:, rows, cols].cpu().numpy()
        return own

    def _combined(self, window: Window, own: Pixels, above: Pixels | None = None) -> Pixels:
        """Adds the variance of the condition (above), whose pixels are `scale` wide."""
        if above is None:
            return own
        parents = window.parent(self.scale)
        repeated = above.repeat(self.scale, 1).repeat(self.scale, 2)
        rows, cols = parents.children(self.scale).slices(window)
        both: Pixels = np.sqrt(own * own + repeated[:, rows, cols] ** 2)
        return both


class CalibratedDeviation(Computed):
    """A predicted deviation, calibrated by measured errors."""

    def __init__(self, predicted: Imagery, calibration: Calibration) -> None:
        self.predicted, self.calibration = predicted, calibration

    def inputs(self, window: Window) -> list[Input]:
        return [Input(self.predicted, window)]

    def compute(
        self, windows: Sequence[Window], inputs: Sequence[Sequence[Pixels]]
    ) -> list[Pixels]:
        return [self.calibration.apply(predicted).astype(np.float32) for (predicted,) in inputs]


def error_pictures(deviations: Tensor) -> tuple[Tensor, Tensor]:
    """Both zooms' pixels of a network's deviations (B, 20C, h, w): (B, C, 2h, 2w), (B, C, 4h, 4w).

    In units of the residual's deviation at each zoom.
    """
    upper = SCALE**2 * deviations.shape[1] // DEVIATIONS
    return (
        F.pixel_shuffle(deviations[:, :upper], SCALE),
        F.pixel_shuffle(deviations[:, upper:], 2 * SCALE),
    )


def _ungrouped(levels: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """(G, colours, H, W) -> (C, H, W): of a channel that stood for every colour, their mean."""
    by_channel = [
        colours if len(set(group)) > 1 else colours.mean(dim=0, keepdim=True)
        for group, colours in zip(groups, levels, strict=True)
    ]
    return torch.cat(by_channel)
