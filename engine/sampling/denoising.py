"""Denoising a window: the loop shared by window and lattice evaluation and training.

A window is denoised together with a halo: every step consumes the denoiser's reach on each side,
so a state that starts halo_px wider ends as exactly the window, and each pixel equals that of
denoising the unbounded picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from engine.sampling.schedule import Schedule, Step

Noise = Callable[[int, int], Tensor]
"""(step, margin_px) -> unit noise (B, C, h, w) on the window dilated by margin_px; step 0 is the
first state, step k+1 the noise that step k adds."""


class Encoding(NamedTuple):
    """The encoding of a condition over a window, each (B, channels, h, w)."""

    mean: Tensor
    """The bands' estimate without texture, in the state's units; states are residuals to it."""
    context: Tensor
    """The features of the condition that `denoise` needs."""


class Denoiser(Protocol):
    """Maps a state, its sigma and the condition's context to the predicted x0.

    A denoiser that sees its whole input (`local` is false) has a reach of 0: it pads its input by
    itself, and only lattice evaluation may use it.
    """

    @property
    def local(self) -> bool:
        """Whether a pixel of x0 depends on nothing beyond the reach around it."""

    @property
    def channels(self) -> int:
        """Channels of a state."""

    @property
    def encode_reach_px(self) -> int:
        """State pixels that `encode` trims from every side."""

    @property
    def reach_px(self) -> int:
        """State pixels that `denoise` trims from every side."""

    def encode(self, condition: Tensor, /) -> Encoding:
        """The encoding of a condition (B, C, 2H, 2W): h = H - 2 encode_reach_px, w likewise."""

    def denoise(self, state: Tensor, sigma: Tensor, context: Tensor, /) -> Tensor:
        """x0 (B, C, h, w) of a state that is reach_px wider on every side.

        sigma: (B,), or (1,) for the whole batch.
        """


def state_halo_px(denoiser: Denoiser, steps: int) -> int:
    """How much wider than the window the first state is, on every side."""
    return steps * denoiser.reach_px


def halo_px(denoiser: Denoiser, steps: int) -> int:
    """How much wider than the window its condition must be, in state pixels on every side."""
    return state_halo_px(denoiser, steps) + denoiser.encode_reach_px


def denoise(
    denoiser: Denoiser,
    condition: Tensor,
    schedule: Schedule,
    noise: Noise,
    detail: float = 1.0,
) -> Tensor:
    """The bands of one window, (B, C, h, w): the mean, and `detail` times what is drawn around it.

    condition covers the window dilated by halo_px, at two pixels per state pixel. With detail 0
    only the encoder's reach is needed: halo_px of no steps.
    """
    encoding = denoiser.encode(condition)
    if detail == 0.0:
        return encoding.mean
    residual = sample_residual(denoiser, encoding.context, schedule, noise)
    mean = crop_to(encoding.mean, residual.shape[-2], residual.shape[-1])
    return mean + residual * detail


def sample_residual(
    denoiser: Denoiser, context: Tensor, schedule: Schedule, noise: Noise
) -> Tensor:
    """Joint denoising of one window, from the context that covers it dilated by state_halo_px."""
    table = schedule.table()
    margin_px = state_halo_px(denoiser, schedule.steps)
    state = noise(0, margin_px) * table[0].sigma
    for step in table:
        margin_px -= denoiser.reach_px
        # One level for the whole batch, so that its embedding does not depend on the batch.
        sigma = torch.full((1,), step.sigma, device=state.device)
        x0 = denoiser.denoise(state, sigma, context)
        if step.noise == 0.0:
            return x0
        state = next_mean(state, x0, step) + noise(step.index + 1, margin_px) * step.noise
    raise AssertionError("a schedule's last step adds no noise")


def next_mean(state: Tensor, clean: Tensor, step: Step) -> Tensor:
    """The mean of the state after a step, given x0 (clean); state may be wider than clean."""
    inner = crop_to(state, clean.shape[-2], clean.shape[-1])
    return clean + (inner - clean) * step.keep


def crop_to(tensor: Tensor, height: int, width: int) -> Tensor:
    """The central (height, width) of a tensor."""
    top, left = (tensor.shape[-2] - height) // 2, (tensor.shape[-1] - width) // 2
    return tensor[..., top : top + height, left : left + width]
