"""Condition imagery in, super-resolved imagery out: the pictures of two zooms past their parent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.imagery import Imagery, Pixels, read_many
from engine.network.checkpoint import Checkpoint
from engine.network.doubling import REACH_PX, doubled
from engine.network.local import BANDS, SCALE
from engine.network.pair import MARGIN_PX, UNIT, Limits, deeper_picture, in_pixels, upper_picture
from engine.sampling.fusion import Fusion
from engine.sampling.sampler import Memo, ReadCondition, Sampler, SamplerSettings, channel_groups
from engine.window import Window

MIN_STATE_PX = 64
"""Smaller windows are grown to this: below it convolutions sum in another order (measured)."""

KNOWN_RANGE = (-0.5, 1.5)
"""What a network is shown of values far outside their range, which it never met in training."""


class Doubled:
    """The cubic doubling of a parent's imagery, which averages back to it exactly."""

    def __init__(self, parent: Imagery) -> None:
        self.parent = parent

    def read(self, window: Window) -> Pixels:
        return self.read_many([window])[0]

    def read_many(self, windows: Sequence[Window]) -> list[Pixels]:
        """Windows of the picture; the parent's are drawn as one batch."""
        parents = read_many(self.parent, [self.needs(window) for window in windows])
        return [_doubled(window, parent) for window, parent in zip(windows, parents, strict=True)]

    @staticmethod
    def needs(window: Window) -> Window:
        """The parent's window that a read of this one reads."""
        return window.parent().dilated(REACH_PX)


def _doubled(window: Window, parent: Pixels) -> Pixels:
    rows, cols = window.parent().children().slices(window)
    pixels: Pixels = doubled(torch.from_numpy(parent))[:, rows, cols].numpy()
    return pixels


class Halved:
    """The 2x2 means of a child's imagery, in range as every super-resolution of it is."""

    def __init__(self, child: Imagery, limits: Limits = UNIT) -> None:
        self.child, self.limits = child, limits

    def read(self, window: Window) -> Pixels:
        """By numpy alone: torch would wake its threads, which wait in loops, for every tile."""
        child = self.child.read(window.children())
        upper = child[:, 0::2, 0::2] + child[:, 0::2, 1::2]
        lower = child[:, 1::2, 0::2] + child[:, 1::2, 1::2]
        mean: Pixels = (upper + lower) * np.float32(0.25)  # as pool sums
        return mean.clip(*self.limits)


class SuperResolved:
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
        """Pixels of the picture a state pixel, per axis."""
        return SCALE << (self.depth - 1)

    def read(self, window: Window) -> Pixels:
        """By window evaluation: the server's path."""
        return self._picture(window, self.sampler.window)

    @torch.inference_mode()
    def read_many(self, windows: Sequence[Window]) -> list[Pixels]:
        """Windows drawn as one batch, where their states are of one size and the rule is SDVC."""
        states = [state_window(window, self.scale) for window in windows]
        sizes = {(state.height, state.width) for state in states}
        if len(sizes) > 1 or self.sampler.settings.fusion is not Fusion.SDVC:
            return [self.read(window) for window in windows]
        halo_px = self.sampler.halo_px
        outers = [state.dilated(max(halo_px, MARGIN_PX)) for state in states]
        pixels = read_many(self.condition, [outer.children(SCALE) for outer in outers])
        conditions = [torch.from_numpy(part).to(self.device) for part in pixels]
        seen = [
            by_group(_crop(condition, outer, state.dilated(halo_px)), self.groups)
            for state, outer, condition in zip(states, outers, conditions, strict=True)
        ]
        bands = self.sampler.windows(states, seen)
        return [
            self._finished(window, state, _crop(condition, outer, state.dilated(MARGIN_PX)), part)
            for window, state, outer, condition, part in zip(
                windows, states, outers, conditions, bands, strict=True
            )
        ]

    def read_lattice(self, window: Window, memo: Memo) -> Pixels:
        """By lattice evaluation, its contributions kept in memo."""
        return self._picture(
            window, lambda state, condition: self.sampler.lattice(state, condition, memo)
        )

    def needs(self, window: Window) -> Window:
        """The condition's window that a read of this one may read."""
        state = state_window(window, self.scale)
        settings = self.sampler.settings
        if settings.fusion is Fusion.INDEPENDENT:
            # Patches are drawn whole, each from reads of its own, which may have to grow.
            state = state.dilated(settings.lattice.patch_px + MIN_STATE_PX)
        return state.dilated(max(self.sampler.halo_px, MARGIN_PX)).children(SCALE)

    @torch.inference_mode()
    def _picture(self, window: Window, draw: Callable[[Window, ReadCondition], Tensor]) -> Pixels:
        state = state_window(window, self.scale)
        outer = state.dilated(max(self.sampler.halo_px, MARGIN_PX))
        condition = self._read(outer)

        def read(wanted: Window) -> Tensor:
            known = outer.contains(wanted)
            pixels = _crop(condition, outer, wanted) if known else self._read(wanted)
            return by_group(pixels, self.groups)

        around = _crop(condition, outer, state.dilated(MARGIN_PX))
        return self._finished(window, state, around, draw(state, read))

    def _finished(self, window: Window, state: Window, around: Tensor, bands: Tensor) -> Pixels:
        """A window's pixels from the condition around its state and the bands that were drawn."""
        residual = in_pixels(self._ungrouped(bands), self.checkpoint.sigma_data)
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
    """A condition (C, H, W) as a network is shown it, a group of channels each: (G, colours, H, W).

    groups: as sampler.channel_groups gives them.
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
