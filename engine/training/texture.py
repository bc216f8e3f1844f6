"""The loss of stage texture: the denoiser's error, and terms of drawn pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from engine.network.local import PAIR_SCALE, SCALE
from engine.network.network import Network
from engine.network.pair import SigmaData
from engine.network.projection import pool
from engine.perceptual import Backbone, PerceptualDistance
from engine.sampling.denoising import Encoding
from engine.sampling.schedule import Schedule
from engine.training.adversary import Adversary
from engine.training.loss import (
    Pair,
    cell_pattern,
    denoising_error,
    drawn_residual,
    excess_variance,
    inside,
    inside_picture,
    perceptual_distance,
    phase_unevenness,
    pictures,
    squared_error,
)
from engine.training.settings import MIN_JUDGED_PX, TrainingSettings

DRAWN_STEPS = (1, 2, 2, 4)
"""Steps of the pictures that are judged as drawn, in turn: most as the server draws them."""
JUDGE_WEIGHTS: dict[Backbone, float] = {"alex": 1.0, "vgg": 2.0}
PATTERN_WEIGHT = 1.0
"""Of the pattern of cells beside the perceptual distance (both times perceptual_weight)."""
FLATNESS_WEIGHT = 0.02
"""Of variance that the truth does not have, likewise."""
PHASE_WEIGHT = 6.0
"""Of detail gathered at the borders of native pixels, likewise."""
UPPER_EVERY = 3
"""Every so many turns the upper zoom is judged as well."""


class TextureLoss(NamedTuple):
    """What is minimised beside the mean's error, and its parts for reports."""

    total: Tensor
    picture: float
    perceptual: float


class TextureJudge:
    """Judges a network's denoising, and pictures drawn step by step as the server draws them."""

    def __init__(
        self,
        settings: TrainingSettings,
        weights: Tensor,
        sigma_data: SigmaData,
        adversary: Adversary | None = None,
    ) -> None:
        """weights: how much each band counts, as loss.band_weights gives them."""
        self.settings, self.weights, self.sigma_data = settings, weights, sigma_data
        self.adversary = adversary
        judges = dict.fromkeys(settings.judges if settings.perceptual_weight > 0 else ())
        self.metrics = {name: PerceptualDistance(name).to(settings.device) for name in judges}

    def loss(
        self,
        network: Network,
        pair: Pair,
        encoding: Encoding,
        target: Tensor,
        even: Tensor,
        iteration: int,
        generator: torch.Generator,
    ) -> TextureLoss:
        """The loss of one batch; iteration decides who judges, and what is drawn.

        target: the residual bands; even: a weight a crop.
        """
        settings = self.settings
        mean, context = encoding.mean.detach(), encoding.context
        errors = denoising_error(network, target - mean, context, settings.draws, generator)
        total = (errors * even.repeat(settings.draws, 1, 1, 1)).mean()
        if not self.metrics:
            return TextureLoss(total, 0.0, 0.0)
        judges = [
            settings.judges[(settings.judges_a_batch * iteration + place) % len(settings.judges)]
            for place in range(settings.judges_a_batch)
        ]
        turn = settings.judges_a_batch * iteration // len(settings.judges)
        some = slice(0, max(1, round(len(mean) * settings.perceptual_share)))
        schedule = Schedule(steps=DRAWN_STEPS[turn % len(DRAWN_STEPS)])
        detail = settings.drawn_details[turn % len(settings.drawn_details)]
        texture = drawn_residual(network, context[some], schedule, generator)
        bands = mean[some] + detail * texture
        picture = squared_error(bands, target[some], self.weights * even[some])
        drawn = pictures(pair[some], bands, self.sigma_data)
        truth = inside_picture(pair[some].target)
        judged = self._judged(drawn, truth, judges, turn, generator)
        if self.adversary is not None and detail == max(settings.drawn_details):
            low = inside(pool(pair[some].condition))
            judged = judged + self.adversary.loss(drawn[1], truth, low, bands, judged)
        total = total + settings.picture_weight * picture + settings.perceptual_weight * judged
        return TextureLoss(total, float(picture.detach()), float(judged.detach()))

    def _judged(
        self,
        drawn: tuple[Tensor, Tensor],
        truth: Tensor,
        judges: Sequence[Backbone],
        turn: int,
        generator: torch.Generator,
    ) -> Tensor:
        """What is wrong with both zooms' drawn pictures besides their squared error."""
        upper, deeper = drawn
        distance = deeper.new_zeros(())
        for judge in judges:
            metric, weight = self.metrics[judge], JUDGE_WEIGHTS[judge]
            distance = distance + weight * perceptual_distance(deeper, truth, metric, generator)
            if turn % UPPER_EVERY == 0 and min(upper.shape[-2:]) >= MIN_JUDGED_PX:
                above = perceptual_distance(upper, pool(truth), metric, generator)
                distance = distance + weight * above
        phases = phase_unevenness(deeper, truth, PAIR_SCALE)
        phases = phases + phase_unevenness(upper, pool(truth), SCALE)
        return (
            distance
            + PHASE_WEIGHT * phases
            + PATTERN_WEIGHT * cell_pattern(deeper, truth, self.sigma_data.deeper)
            + FLATNESS_WEIGHT * excess_variance(deeper, truth, self.sigma_data.deeper)
        )
