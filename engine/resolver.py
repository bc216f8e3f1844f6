"""Condition imagery in, super-resolved imagery out: the picture of one zoom past native."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.checkpoint import Checkpoint
from engine.doubling import REACH_PX, doubled
from engine.fusion import Fusion
from engine.imagery import Imagery, Pixels
from engine.network import SCALE
from engine.projection import detailed, into_range, pool
from engine.sampler import Memo, ReadCondition, Sampler, SamplerSettings, channel_groups
from engine.window import Window

MIN_STATE_PX = 64
"""Smaller windows are grown to this: below it convolutions sum in another order (measured)."""


class Doubled:
    """The cubic doubling of a parent's imagery, which averages back to it exactly."""

    def __init__(self, parent: Imagery) -> None:
        self.parent = parent

    def read(self, window: Window) -> Pixels:
        source = window.parent()
        parent = torch.from_numpy(self.parent.read(source.dilated(REACH_PX)))
        rows, cols = source.children().slices(window)
        pixels: Pixels = doubled(parent)[:, rows, cols].numpy()
        return pixels

    @staticmethod
    def needs(window: Window) -> Window:
        """The parent's window that a read of this one reads."""
        return window.parent().dilated(REACH_PX)


class Halved:
    """The 2x2 means of a child's imagery, in range as every super-resolution of it is."""

    def __init__(self, child: Imagery) -> None:
        self.child = child

    def read(self, window: Window) -> Pixels:
        pixels: Pixels = (
            pool(torch.from_numpy(self.child.read(window.children()))).clamp(0, 1).numpy()
        )
        return pixels


class SuperResolved:
    """The super-resolution of a condition: imagery at the same zoom, without the detail.

    Its 2x2 means are those of the condition, whatever the denoiser does.
    """

    def __init__(
        self,
        condition: Imagery,
        channels: int,
        checkpoint: Checkpoint,
        settings: SamplerSettings,
        zoom: int,
        device: str = "cpu",
    ) -> None:
        self.condition, self.checkpoint, self.channels = condition, checkpoint, channels
        self.groups = channel_groups(channels, checkpoint.denoiser.config.image_channels)
        self.device = device
        self.sampler = Sampler(checkpoint.denoiser, settings, zoom, len(self.groups), device)

    def read(self, window: Window) -> Pixels:
        """By window evaluation: the server's path."""
        return self._picture(window, self.sampler.window)

    def read_lattice(self, window: Window, memo: Memo) -> Pixels:
        """By lattice evaluation, its contributions kept in memo."""
        return self._picture(
            window, lambda state, condition: self.sampler.lattice(state, condition, memo)
        )

    def needs(self, window: Window) -> Window:
        """The condition's window that a read of this one may read."""
        state = _state_window(window, self.sampler.denoiser.cell_px)
        settings = self.sampler.settings
        if settings.fusion is Fusion.INDEPENDENT:
            state = state.dilated(settings.lattice.patch_px)  # patches are drawn whole
        return state.dilated(self.sampler.halo_px).children(SCALE)

    @torch.inference_mode()
    def _picture(self, window: Window, draw: Callable[[Window, ReadCondition], Tensor]) -> Pixels:
        state = _state_window(window, self.sampler.denoiser.cell_px)
        outer = state.dilated(self.sampler.halo_px)
        condition = self._read(outer)

        def read(wanted: Window) -> Tensor:
            known = outer.contains(wanted)
            pixels = _crop(condition, outer, wanted) if known else self._read(wanted)
            return torch.stack([pixels[list(group)] for group in self.groups])

        bands = draw(state, read) * self.checkpoint.sigma_data
        base = _crop(condition, outer, state)
        picture = detailed(base, self._ungrouped(bands))
        rows, cols = state.children(SCALE).slices(window)
        pixels: Pixels = into_range(picture, pool(base))[:, rows, cols].cpu().numpy()
        return pixels

    def _read(self, state: Window) -> Tensor:
        """The condition (C, 2H, 2W) over a window of state pixels."""
        return torch.from_numpy(self.condition.read(state.children(SCALE))).to(self.device)

    def _ungrouped(self, bands: Tensor) -> Tensor:
        """Bands by group (G, 3 x colours, h, w) -> bands of the imagery (3C, h, w)."""
        height, width = bands.shape[-2:]
        by_channel: list[Tensor] = []
        for group, values in zip(
            self.groups, bands.reshape(len(bands), 3, -1, height, width), strict=True
        ):
            if len(set(group)) > 1:
                by_channel.extend(values.unbind(1))
            else:
                total = values[:, 0]
                for copy in range(1, values.shape[1]):
                    total = total + values[:, copy]
                by_channel.append(total / values.shape[1])
        return torch.stack(by_channel, dim=1).reshape(-1, height, width)


def _state_window(window: Window, cell_px: int) -> Window:
    """The cells that a window of pixels needs, on the parent's grid."""
    cells = window.parent(SCALE).aligned(cell_px)
    return Window(
        cells.row, cells.col, max(cells.height, MIN_STATE_PX), max(cells.width, MIN_STATE_PX)
    )


def _crop(pixels: Tensor, outer: Window, state: Window) -> Tensor:
    rows, cols = outer.children(SCALE).slices(state.children(SCALE))
    return pixels[:, rows, cols]
