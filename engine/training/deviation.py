"""The loss of stage deviation: how badly the predicted error fits pictures as displayed."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.network.local import LocalDenoiser
from engine.network.pair import SigmaData
from engine.sampling.denoising import Encoding
from engine.sampling.settings import SamplerSettings
from engine.training.loss import (
    Pair,
    deviation_error,
    drawn_residual,
    inside_picture,
    pictures,
)


def shown_deviation_error(
    network: LocalDenoiser,
    pair: Pair,
    encoding: Encoding,
    sigma_data: SigmaData,
    generator: torch.Generator,
) -> Tensor:
    """The negative log likelihood of the errors of pictures drawn with default settings."""
    with torch.no_grad():
        settings = SamplerSettings()
        texture = drawn_residual(network, encoding.context, settings.schedule, generator)
        bands = encoding.mean + settings.detail * texture
        shown = pictures(pair, bands, sigma_data)
    predicted = network.deviation(pair.condition)
    return deviation_error(predicted, shown, inside_picture(pair.target), sigma_data)
