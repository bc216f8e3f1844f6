"""The two evaluators of joint denoising: by window, and by lattice.

Both draw the same unbounded picture. `window` denoises any rectangle with its halo in one go and
takes SDVC's fused noise; it needs a local denoiser, whose mean at a pixel is the same from every
patch, so that the fused state is mu + s xi. `lattice` sums the patches' contributions and works
for any denoiser, also one that sees its whole patch; contributions are cached in a memo that the
caller supplies and bounds, and forgetting one costs only its recomputation.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from engine.sampling.denoising import Denoiser, Encoding, denoise, halo_px, next_mean
from engine.sampling.fusion import contribution, fused
from engine.sampling.lattice import Patch
from engine.sampling.noise import NoiseField
from engine.sampling.settings import Fusion, SamplerSettings
from engine.window import Window

ReadCondition = Callable[[Window], Tensor]
"""A window of state pixels -> its condition (B, C, 2H, 2W); B groups of channels."""
Memo = MutableMapping[tuple[int, Patch], Tensor]
"""(step, patch) -> that step's contribution over the patch's support, (B, C or 2C, P, P)."""


class Sampler:
    """Draws the residual bands of a pair of zooms, (B, C, h, w), by window or by lattice."""

    def __init__(
        self,
        denoiser: Denoiser,
        settings: SamplerSettings,
        zoom: int,
        groups: int = 1,
        device: str = "cpu",
    ) -> None:
        self.denoiser, self.settings, self.device = denoiser, settings, device
        self.fields = [NoiseField(settings.noise_seed, stream, zoom) for stream in range(groups)]

    @property
    def halo_px(self) -> int:
        """State pixels of condition that a window needs on every side."""
        settings = self.settings
        return halo_px(self.denoiser, settings.schedule.steps if settings.detail > 0.0 else 0)

    def condition_window(self, window: Window) -> Window:
        """The state pixels whose condition `window` may read: a bounding window."""
        if self.settings.fusion is Fusion.INDEPENDENT:
            patches = self.settings.lattice.owners(window)
            window = reduce(Window.union, map(self._drawn_alone, patches))
        return window.dilated(self.halo_px)

    def window(self, window: Window, condition: ReadCondition) -> Tensor:
        """The bands over a window of state pixels.

        Raises ValueError for a denoiser that is not local, and for rules that need a lattice.
        """
        if not self.denoiser.local:
            raise ValueError("a denoiser that sees its whole input needs the lattice's evaluation")
        if self.settings.fusion is Fusion.SDVC:
            return self._denoised(window, condition, self._fused)
        if self.settings.fusion is Fusion.INDEPENDENT:
            return self._pasted(window, condition)
        raise ValueError(f"{self.settings.fusion} has no window evaluation: use the lattice's")

    def windows(self, windows: Sequence[Window], conditions: Sequence[Tensor]) -> list[Tensor]:
        """The bands over windows of one size, drawn as one batch; each as `window` gives it.

        conditions (G, C, 2h, 2w) cover the windows dilated by halo_px. SDVC and a local denoiser
        only; raises ValueError otherwise.
        """
        if not (self.denoiser.local and self.settings.fusion is Fusion.SDVC):
            raise ValueError("batches of windows want a local denoiser and SDVC")

        def noise(step: int, margin_px: int) -> Tensor:
            return torch.cat([self._fused(step, window.dilated(margin_px)) for window in windows])

        together = torch.cat(tuple(conditions))
        settings = self.settings
        bands = denoise(self.denoiser, together, settings.schedule, noise, settings.detail)
        return list(torch.split(bands, len(self.fields)))

    def _denoised(
        self, window: Window, condition: ReadCondition, noise: Callable[[int, Window], Tensor]
    ) -> Tensor:
        def margins(step: int, margin_px: int) -> Tensor:
            return noise(step, window.dilated(margin_px))

        wide = condition(window.dilated(self.halo_px))
        settings = self.settings
        return denoise(self.denoiser, wide, settings.schedule, margins, settings.detail)

    def _pasted(self, window: Window, condition: ReadCondition) -> Tensor:
        """Every patch denoised alone, with its own noise, and its owned pixels pasted."""
        lattice = self.settings.lattice
        shape = (len(self.fields), self.denoiser.channels, window.height, window.width)
        bands = torch.empty(shape, device=self.device)
        for patch in lattice.owners(window):
            owned = lattice.owned(patch)
            part = owned.intersection(window)
            if part is None:
                continue

            def noise(step: int, area: Window, patch: Patch = patch) -> Tensor:
                return self._alone(step, patch, area)

            drawn = self._drawn_alone(patch)
            alone = self._denoised(drawn, condition, noise)
            to_rows, to_cols = window.slices(part)
            rows, cols = drawn.slices(part)
            bands[..., to_rows, to_cols] = alone[..., rows, cols]
        return bands

    def _drawn_alone(self, patch: Patch) -> Window:
        """The bands of a patch if patches are independent."""
        lattice = self.settings.lattice
        return lattice.owned(patch) if self.denoiser.local else lattice.support(patch)

    def lattice(self, window: Window, condition: ReadCondition, memo: Memo) -> Tensor:
        """The bands over any window, summed from the contributions of its patches.

        Where patches are independent: pasted from them.
        """
        if self.settings.fusion is Fusion.INDEPENDENT:
            return self._pasted(window, condition)
        settings, encodings = self.settings, _Encodings(self, condition)
        mean = encodings.of(window).mean
        if settings.detail == 0.0:
            return mean
        return (
            mean + self._state(settings.schedule.steps, window, encodings, memo) * settings.detail
        )

    def _state(self, step: int, window: Window, encodings: _Encodings, memo: Memo) -> Tensor:
        """The fused state before a step (after the last one: x0) over a window."""
        rule, lattice = self.settings.fusion, self.settings.lattice
        doubled = 2 if rule is Fusion.VCF else 1
        shape = (len(self.fields), doubled * self.denoiser.channels, window.height, window.width)
        summed = torch.zeros(shape, device=self.device)
        total, root = (torch.ones(window.height, window.width, device=self.device) for _ in "WS")
        for patch in lattice.cover(window):
            support = lattice.support(patch)
            part = support.intersection(window)
            if part is None:
                continue
            to_rows, to_cols = window.slices(part)
            rows, cols = support.slices(part)
            share = self._contribution(step, patch, encodings, memo)
            summed[..., to_rows, to_cols] += share[..., rows, cols]
            blend = lattice.blend(patch, part)
            total[to_rows, to_cols] = self._map(np.multiply.outer(*blend.total))
            root[to_rows, to_cols] = self._map(np.multiply.outer(*blend.root))
        return torch.stack([fused(rule, group, total, root) for group in summed])

    def _contribution(self, step: int, patch: Patch, encodings: _Encodings, memo: Memo) -> Tensor:
        """A patch's contribution to the state before a step, from the previous state."""
        known = memo.get((step, patch))
        if known is not None:
            return known
        support = self.settings.lattice.support(patch)
        table = self.settings.schedule.table()
        noise = self._alone(step, patch, support)
        if step == 0:
            mean, deviation = torch.zeros_like(noise), table[0].sigma
        else:
            before = table[step - 1]
            reach = self.denoiser.reach_px
            state = self._state(step - 1, support.dilated(reach), encodings, memo)
            sigma = torch.full((1,), before.sigma, device=self.device)
            context = encodings.of(support.dilated(reach)).context
            clean = self.denoiser.denoise(state, sigma, context)
            mean, deviation = next_mean(state, clean, before), before.noise
        blend = self.settings.lattice.blend(patch, support)
        proposal = mean + noise * deviation
        share = torch.stack(
            [
                contribution(self.settings.fusion, one, other, blend)
                for one, other in zip(mean, proposal, strict=True)
            ]
        )
        memo[step, patch] = share
        return share

    def _fused(self, step: int, window: Window) -> Tensor:
        lattice, channels = self.settings.lattice, self.denoiser.channels
        return torch.stack(
            [f.fused(step, lattice, window, channels, self.device) for f in self.fields]
        )

    def _alone(self, step: int, patch: Patch, window: Window) -> Tensor:
        channels = self.denoiser.channels
        return torch.stack(
            [f.patch(step, patch, window, channels, self.device) for f in self.fields]
        )

    def _map(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device, torch.float32)


class _Encodings:
    """Cached encodings of the last patches: all steps of a patch use one encoding."""

    def __init__(self, sampler: Sampler, condition: ReadCondition) -> None:
        self.sampler, self.condition = sampler, condition
        self.cached: dict[Window, Encoding] = {}

    def of(self, window: Window) -> Encoding:
        if window not in self.cached:
            denoiser = self.sampler.denoiser
            encoding = denoiser.encode(self.condition(window.dilated(denoiser.encode_reach_px)))
            if len(self.cached) >= 4:
                self.cached.pop(next(iter(self.cached)))
            self.cached[window] = encoding
        return self.cached[window]


def channel_groups(channels: int, colours: int) -> list[Sequence[int]]:
    """How channels are grouped for a denoiser that takes a number of colours.

    The first `colours` together where there are as many; every other channel by itself, repeated.
    """
    together: list[Sequence[int]] = [range(colours)] if channels >= colours else []
    start = colours if together else 0
    return together + [[channel] * colours for channel in range(start, channels)]
