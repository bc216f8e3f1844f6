"""Super-resolved imagery from its condition: the pictures of the two zooms after their parent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.imagery import Computed, Imagery, Input, Pixels
from engine.network.checkpoint import Checkpoint
from engine.network.doubling import REACH_PX, doubled
from engine.network.local import BANDS, SCALE
from engine.network.pair import (
    MARGIN_PX,
    UNIT,
    Limits,
    deeper_picture,
    to_pixel_units,
    upper_picture,
)
from engine.sampling.sampler import Memo, Sampler, channel_groups
from engine.sampling.settings import Fusion, SamplerSettings
from engine.window import Window

MIN_STATE_PX = 64
"""Smaller windows are extended to this size.

Below it convolutions sum in another order (measured), so the same pixel would have other bits in
windows of other sizes, and tiles would show seams.
"""

KNOWN_RANGE = (-0.5, 1.5)
"""Values outside are clamped for the network, which never saw any in training."""


class Doubled(Computed):
    """The cubic doubling of a parent's imagery, which averages back to it exactly."""

    def __init__(self, parent: Imagery) -> None:
        self.parent = parent

    def inputs(self, window: Window) -> list[Input]:
        return [Input(self.parent, window.parent().dilated(REACH_PX))]

    def compute(
        self, windows: Sequence[Window], inputs: Sequence[Sequence[Pixels]]
    ) -> list[Pixels]:
        return [_doubled(window, parent) for window, (parent,) in zip(windows, inputs, strict=True)]


def _doubled(window: Window, parent: Pixels) -> Pixels:
    rows, cols = window.parent().children().slices(window)
    pixels: Pixels = doubled(torch.from_numpy(parent))[:, rows, cols].numpy()
    return pixels


class Halved(Computed):
    """The 2x2 means of a child's imagery, clipped to the range of every picture."""

    def __init__(self, child: Imagery, limits: Limits = UNIT) -> None:
        self.child, self.limits = child, limits

    def inputs(self, window: Window) -> list[Input]:
        return [Input(self.child, window.children())]

    def compute(
        self, windows: Sequence[Window], inputs: Sequence[Sequence[Pixels]]
    ) -> list[Pixels]:
        return [_mean(child).clip(*self.limits) for (child,) in inputs]


def _mean(child: Pixels) -> Pixels:
    """2x2 means by numpy: torch would wake its busy-waiting threads for every tile."""
    upper = child[:, 0::2, 0::2] + child[:, 0::2, 1::2]
    lower = child[:, 1::2, 0::2] + child[:, 1::2, 1::2]
    mean: Pixels = (upper + lower) * np.float32(0.25)  # as pool sums
    return mean


class SuperResolved(Computed):
    """The super-resolution of a condition, at its own zoom (depth 1) or one zoom deeper (depth 2).

    Both are drawn from one state: the 2x2 means of depth 2 are depth 1, and those of depth 1 are
    the condition's, whatever the denoiser does.
    """

    def __init__(
        self,
        condition: Imagery,
        channels: int,
        checkpoint: Checkpoint,
        settings: SamplerSettings,
        zoom: int,
        device: str = "cpu",
        *,
        depth: int = 1,
        limits: Limits = UNIT,
    ) -> None:
        """zoom is that of the condition. Raises ValueError for another depth."""
        if depth not in (1, 2):
            raise ValueError(f"depth must be 1 or 2, not {depth}")
        self.condition, self.checkpoint, self.channels = condition, checkpoint, channels
        self.groups = channel_groups(channels, checkpoint.denoiser.config.image_channels)
        self.device, self.depth, self.limits = device, depth, limits
        self.sampler = Sampler(checkpoint.denoiser, settings, zoom, len(self.groups), device)

    @property
    def scale(self) -> int:
        """Pixels of the picture per state pixel, along each axis."""
        return SCALE << (self.depth - 1)

    def inputs(self, window: Window) -> list[Input]:
        return [Input(self.condition, self._outer(window).children(SCALE))]

    @torch.inference_mode()
    def compute(
        self, windows: Sequence[Window], inputs: Sequence[Sequence[Pixels]]
    ) -> list[Pixels]:
        """By window evaluation, as one batch where states are of one size and the rule is SDVC."""
        outers = [self._outer(window) for window in windows]
        states = [state_window(window, self.scale) for window in windows]
        conditions = [torch.from_numpy(pixels).to(self.device) for (pixels,) in inputs]
        bands = self._bands(states, outers, conditions)
        return [
            self._finished(window, state, _crop(condition, outer, state.dilated(MARGIN_PX)), part)
            for window, state, outer, condition, part in zip(
                windows, states, outers, conditions, bands, strict=True
            )
        ]

    @torch.inference_mode()
    def read_lattice(self, window: Window, memo: Memo) -> Pixels:
        """By lattice evaluation; contributions are cached in memo."""
        state = state_window(window, self.scale)

        def read(wanted: Window) -> Tensor:
            return by_group(self._read(wanted), self.groups)

        bands = self.sampler.lattice(state, read, memo)
        return self._finished(window, state, self._read(state.dilated(MARGIN_PX)), bands)

    def _outer(self, window: Window) -> Window:
        """The state pixels whose condition a window is drawn from."""
        state = state_window(window, self.scale)
        return self.sampler.condition_window(state).union(state.dilated(MARGIN_PX))

    def _bands(
        self, states: Sequence[Window], outers: Sequence[Window], conditions: Sequence[Tensor]
    ) -> list[Tensor]:
        """The bands over windows of state pixels, each from the condition over an outer one."""

        def read(wanted: Window, outer: Window, condition: Tensor) -> Tensor:
            return by_group(_crop(condition, outer, wanted), self.groups)

        each = list(zip(states, outers, conditions, strict=True))
        sizes = {(state.height, state.width) for state in states}
        if len(states) > len(sizes) == 1 and self.sampler.settings.fusion is Fusion.SDVC:
            halo_px = self.sampler.halo_px
            wide = [
                read(state.dilated(halo_px), outer, condition) for state, outer, condition in each
            ]
            return self.sampler.windows(states, wide)
        return [
            self.sampler.window(state, partial(read, outer=outer, condition=condition))
            for state, outer, condition in each
        ]

    def _finished(self, window: Window, state: Window, around: Tensor, bands: Tensor) -> Pixels:
        """A window's pixels from the condition around its state and the bands that were drawn."""
        residual = to_pixel_units(self._ungrouped(bands), self.checkpoint.sigma_data)
        draw = upper_picture if self.depth == 1 else deeper_picture
        picture = draw(around, residual, self.limits)
        rows, cols = state.children(self.scale).slices(window)
        pixels: Pixels = picture[:, rows, cols].cpu().numpy()
        return pixels

    def _read(self, state: Window) -> Tensor:
        """The condition (C, 2H, 2W) over a window of state pixels."""
        return torch.from_numpy(self.condition.read(state.children(SCALE))).to(self.device)

    def _ungrouped(self, bands: Tensor) -> Tensor:
        """Bands by group (G, 15 x colours, h, w) -> bands of the imagery (15C, h, w)."""
        height, width = bands.shape[-2:]
        by_channel: list[Tensor] = []
        for group, values in zip(
            self.groups, bands.reshape(len(bands), BANDS, -1, height, width), strict=True
        ):
            if len(set(group)) > 1:
                by_channel.extend(values.unbind(1))
            else:
                total = values[:, 0]
                for copy in range(1, values.shape[1]):
                    total = total + values[:, copy]
                by_channel.append(total / values.shape[1])
        return torch.stack(by_channel, dim=1).reshape(-1, height, width)


def by_group(condition: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """A condition (C, H, W) as network input by groups of channels: (G, colours, H, W).

    groups: as returned by sampler.channel_groups.
    """
    known = condition.clamp(*KNOWN_RANGE)
    return torch.stack([known[list(group)] for group in groups])


def state_window(window: Window, scale: int) -> Window:
    """The state pixels that a window of pixels, `scale` a state pixel, is drawn from."""
    state = window.parent(scale)
    return Window(
        state.row, state.col, max(state.height, MIN_STATE_PX), max(state.width, MIN_STATE_PX)
    )


def _crop(pixels: Tensor, outer: Window, state: Window) -> Tensor:
    rows, cols = outer.children(SCALE).slices(state.children(SCALE))
    return pixels[:, rows, cols]
