"""Parameter groups, the learning rate's schedule, and the moving average of parameters."""

from __future__ import annotations

from math import cos, pi
from typing import Any

import torch
from torch import nn

from engine.network.local import LocalDenoiser
from engine.network.network import Network
from engine.training.settings import Stage, TrainingSettings


def parameter_groups(network: Network, settings: TrainingSettings) -> list[dict[str, Any]]:
    """The encoder's parameters and the denoiser's, each with its share of the learning rate."""
    if settings.stage is Stage.DEVIATION and isinstance(network, LocalDenoiser):
        network.requires_grad_(False)
        network.deviations.requires_grad_(True)
        return [{"params": list(network.deviations.parameters()), "share": 1.0}]
    if settings.stage is Stage.MEAN or not isinstance(network, LocalDenoiser):
        return [{"params": list(network.parameters()), "share": 1.0}]
    encoder = [
        value
        for part in (network.stem, network.encoder, network.mean)
        for value in part.parameters()
    ]
    known = {id(value) for value in encoder}
    rest = [value for value in network.parameters() if id(value) not in known]
    return [
        {"params": encoder, "share": settings.encoder_rate},
        {"params": rest, "share": 1.0},
    ]


def learning_rate(settings: TrainingSettings, iteration: int, fraction: float) -> float:
    """A linear warm-up, then a cosine to zero; fraction: how much of the run is done, 0 to 1."""
    warm = min(1.0, (iteration + 1) / settings.warmup_iterations)
    return settings.learning_rate * warm * (0.5 + 0.5 * cos(pi * fraction))


@torch.no_grad()
def average_into(mean: nn.Module, network: nn.Module, halflife_iterations: float) -> None:
    """Move an exponential average of parameters towards the network's."""
    rate = 1 - 0.5 ** (1 / halflife_iterations)
    for average, value in zip(mean.parameters(), network.parameters(), strict=True):
        average.lerp_(value, rate)
