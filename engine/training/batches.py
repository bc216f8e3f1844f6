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
from engine.training.crops import CropSource
from engine.training.degradation import degraded
from engine.training.imagery import Collection
from engine.training.loss import Pair, residual
from engine.training.settings import TrainingSettings
from engine.training.teacher import Teacher

SIGMA_DATA_BATCHES = 8
"""Batches from which the residual's standard deviation is measured before training."""
GROUND_CROPS = 32
"""Crops of ordinary ground, on which the mean is kept while flat ground is levelled."""


class Batches:
    """Crops of imagery by number, reduced and degraded; the last have a teacher's picture."""

    def __init__(self, collections: Sequence[Collection], settings: TrainingSettings) -> None:
        self.weights = {collection.name: collection.weight for collection in collections}
        self.settings = settings
        self._source = CropSource(collections, settings.device)
        self._teacher = None
        if settings.teacher is not None:
            self._teacher = Teacher(settings.teacher, settings.device)

    @torch.no_grad()
    def pair(self, number: int) -> Pair:
        """One batch on the run's device; negative numbers are batches that training never sees.

        Crops whose target is a truth come before those whose target is the teacher's picture.
        """
        generator = np.random.default_rng(
            [self.settings.noise_seed, number if number >= 0 else 2**40 - number]
        )
        count, size = self.settings.batch_size, self.settings.crop_px
        taught = 0
        if self._teacher is not None:
            taught = int(generator.binomial(count, self.settings.teacher_share))
        truth = self._source.crops(count - taught, size, generator)
        condition = degraded(pool(truth), generator)
        if self._teacher is not None and taught:
            native = self._source.crops(taught, size // PAIR_SCALE, generator)
            condition = torch.cat((condition, doubled_whole(native)))
            truth = torch.cat((truth, self._teacher.enlarge(native)))
        return Pair(condition, truth)

    def measure_sigma_data(self) -> SigmaData:
        """The residual's standard deviation at both zooms, over batches that are never seen."""
        bands = torch.cat([residual(self.pair(-1 - k)) for k in range(SIGMA_DATA_BATCHES)])
        upper = bands.shape[1] // 5
        return SigmaData(float(bands[:, :upper].std()), float(bands[:, upper:].std()))

    @cached_property
    def ground(self) -> Tensor:
        """Conditions (B, C, 2h, 2w) that training never sees, prepared once."""
        batches = -(-GROUND_CROPS // self.settings.batch_size)
        conditions = [self.pair(-200 - number).condition for number in range(batches)]
        return torch.cat(conditions)[:GROUND_CROPS]
