"""Batches of conditions and targets, each a function of (noise_seed, number)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.network.doubling import doubled_whole
from engine.network.local import PAIR_SCALE
from engine.network.pair import SigmaData
from engine.network.projection import pool
from engine.training.degradation import degraded
from engine.training.imagery import Collection, random_crop
from engine.training.loss import Pair, residual
from engine.training.settings import TrainingSettings
from engine.training.teacher import Teacher

SIGMA_DATA_BATCHES = 8
"""Batches from which the residual's standard deviation is measured before training."""
GROUND_BATCHES = 4
"""Batches of ordinary ground, on which the mean is kept while flat ground is levelled."""


class Batches:
    """Crops of imagery by number, reduced and degraded; some have a teacher's picture as target."""

    def __init__(self, collections: Sequence[Collection], settings: TrainingSettings) -> None:
        self.collections, self.settings = collections, settings
        self.teacher = Teacher(settings.teacher) if settings.teacher is not None else None

    def pair(self, number: int) -> Pair:
        """One batch; negative numbers are batches that training never sees."""
        generator = np.random.default_rng(
            [self.settings.noise_seed, number if number >= 0 else 2**40 - number]
        )
        crops = [self._crop(generator) for _ in range(self.settings.batch_size)]
        return Pair(*(torch.stack(part) for part in zip(*crops, strict=True)))

    def measure_sigma_data(self) -> SigmaData:
        """The residual's standard deviation at both zooms, over batches that are never seen."""
        bands = torch.cat([residual(self.pair(-1 - k)) for k in range(SIGMA_DATA_BATCHES)])
        upper = bands.shape[1] // 5
        return SigmaData(float(bands[:, :upper].std()), float(bands[:, upper:].std()))

    @cached_property
    def ground(self) -> Tensor:
        """Conditions (B, C, 2h, 2w) that training never sees, prepared once."""
        return torch.cat([self.pair(-200 - number).condition for number in range(GROUND_BATCHES)])

    def _crop(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A condition and its target: a truth, or a teacher's picture of native pixels."""
        size = self.settings.crop_px
        if self.teacher is not None and generator.random() < self.settings.teacher_share:
            native = random_crop(self.collections, size // PAIR_SCALE, generator)
            low = torch.from_numpy(native)
            return doubled_whole(low[None])[0], self.teacher.enlarge(low)
        truth = torch.from_numpy(random_crop(self.collections, size, generator))
        return degraded(pool(truth), generator), truth
