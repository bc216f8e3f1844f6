"""The terms of the training loss.

mean         squared error of the mean's picture, pixel by pixel at both zooms
x0           squared error of the denoiser at every noise level, in EDM's weighting
picture      squared error and perceptual distance of pictures drawn by the sampler itself, step by
             step as the server draws them (before contrast is shrunk into range)
pattern      what repeats from cell to cell in those pictures' error, which no distance minds and
             every eye does
flatness     where the truth is flat, what is drawn has no more variance than it
deviation    the likelihood of errors under a Laplace distribution as wide as predicted
phases       detail is spread over a native pixel as the truth's is, not gathered at its borders

Errors are of bands in units of their deviation, weighed as they count in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.evaluation.phases import phase_gradients
from engine.network.doubling import REACH_PX
from engine.network.local import PAIR_SCALE, log_uniform
from engine.network.network import Network
from engine.network.pair import SigmaData, base_bands, to_deviation_units, to_pixel_units
from engine.network.projection import from_bands, merge_corners, pool, to_bands, to_pair_bands
from engine.perceptual import PerceptualDistance
from engine.pictures.deviation import error_pictures
from engine.sampling.denoising import sample_residual
from engine.sampling.schedule import Schedule

SIGMA_RANGE = (0.1, 8.0)
"""Noise levels trained on, in units of the residual's deviation; schedules stay inside."""
JUDGED_PX = 112
"""Side of the square that the perceptual distance looks at; its place moves by more than 16 px,
to which VGG's strides multiply."""
PATTERN_CELLS = 8
"""Cells a side over which a pattern is looked for."""
UPPER_EXTRA = 1.5
"""The upper zoom counts in the deeper one's error; this much more of it counts besides."""
FLAT_PX = 8
"""Side of the ground whose variance is compared."""
EDGE_CELLS = 3
"""Cells along a padded crop's edge that are not judged: padding has disturbed them."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A batch of conditions (B, C, 2h, 2w) and of what they stand for."""

    condition: Tensor
    target: Tensor
    """The truth or a teacher's picture, (B, C, 4h, 4w)."""

    def __getitem__(self, crops: slice) -> Pair:
        return Pair(self.condition[crops], self.target[crops])


def base(pair: Pair) -> Tensor:
    """The base bands of whole conditions, their borders reflected, (B, 15C, h, w)."""
    return base_bands(F.pad(pair.condition, (REACH_PX,) * 4, mode="reflect"))


def residual(pair: Pair) -> Tensor:
    """The bands that the target has and its condition lacks, (B, 15C, h, w)."""
    return to_pair_bands(pair.target) - base(pair)


def band_weights(channels: int, sigma_data: SigmaData) -> Tensor:
    """How much each band's squared error counts in pixels, (channels, 1, 1), mean 1."""
    upper = channels // 5
    weights = torch.empty(channels)
    weights[:upper] = 4 * (1 + UPPER_EXTRA) * sigma_data.upper**2  # a band spreads over 4 pixels
    weights[upper:] = sigma_data.deeper**2
    return (weights / weights.mean())[:, None, None]


def evenness(condition: Tensor, sigma_data: SigmaData) -> Tensor:
    """A weight a crop (B, 1, 1, 1), lower for busy ground, so that forests do not drown roofs.

    It depends on the condition alone, and so leaves the best picture of every condition as it is.
    """
    activity = to_bands(condition).std(dim=(1, 2, 3)) / sigma_data.upper
    return (1.0 / (0.3 + activity))[:, None, None, None]


def squared_error(bands: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """The mean of weighted squared errors, away from the crop's edge."""
    return (weights * inside(bands - target) ** 2).mean()


def inside(cells: Tensor) -> Tensor:
    """Cells without those along the edge."""
    return cells[..., EDGE_CELLS:-EDGE_CELLS, EDGE_CELLS:-EDGE_CELLS]


def inside_picture(picture: Tensor) -> Tensor:
    """The deeper zoom's picture of the cells that `inside` keeps."""
    edge_px = EDGE_CELLS * PAIR_SCALE
    return picture[..., edge_px:-edge_px, edge_px:-edge_px]


def denoising_error(
    network: Network, state: Tensor, context: Tensor, draws: int, generator: torch.Generator
) -> Tensor:
    """The squared error of x0, (draws B, 15C, h, w), each crop at several noise levels."""
    clean = state.repeat(draws, 1, 1, 1)
    batch, device = clean.shape[0], clean.device
    # Stratified: every batch sees the whole range of levels, in an order of its own.
    uniform = torch.rand(1, generator=generator, device=device)
    uniform = (uniform + torch.arange(batch, device=device) / batch) % 1.0
    order = torch.randperm(batch, generator=generator, device=device)
    sigma = log_uniform(*SIGMA_RANGE, uniform[order])
    noise = torch.randn(clean.shape, generator=generator, device=device)
    noisy = clean + noise * sigma[:, None, None, None]
    denoised = network.denoise(noisy, sigma, context.repeat(draws, 1, 1, 1)).float()
    weight = ((sigma**2 + 1) / sigma**2)[:, None, None, None]
    return inside(weight * (denoised - clean) ** 2)


def drawn_residual(
    network: Network, context: Tensor, schedule: Schedule, generator: torch.Generator
) -> Tensor:
    """Residuals to the mean, drawn from a context with a schedule."""
    shape = (len(context), network.channels, *context.shape[-2:])

    def noise(_step: int, _margin_px: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=context.device)

    return sample_residual(network, context, schedule, noise).float()


def pictures(pair: Pair, bands: Tensor, sigma_data: SigmaData) -> tuple[Tensor, Tensor]:
    """Both zooms' pictures from residual bands, cut to what is judged."""
    total = inside(base(pair) + to_pixel_units(bands, sigma_data))
    parent = inside(pool(pair.condition))
    count = total.shape[-3] // 5
    upper = from_bands(parent, total[..., :count, :, :])
    return upper, from_bands(upper, merge_corners(total[..., count:, :, :]))


def deviation_error(
    deviations: Tensor, drawn: tuple[Tensor, Tensor], target: Tensor, sigma_data: SigmaData
) -> Tensor:
    """Minus the log likelihood of drawn pictures' errors (both zooms), constants left out.

    Of Laplace distributions, whose tails are as heavy as errors at edges; the ratio of what is
    predicted to a standard deviation is left to calibration.

    deviations (B, 20C, h, w) of whole crops; drawn and target as `pictures` and `inside_picture`
    cut them.
    """
    total = deviations.new_zeros(())
    truths = (pool(target), target)
    for predicted, picture, truth, scale in zip(
        error_pictures(inside(deviations)), drawn, truths, sigma_data, strict=True
    ):
        size = (picture - truth).abs() / scale
        total = total + (predicted.log() + size / predicted).mean()
    return total


def perceptual_distance(
    picture: Tensor, truth: Tensor, metric: PerceptualDistance, generator: torch.Generator
) -> Tensor:
    """The mean distance of pictures from their truths, over a square of theirs at any place.

    A vision network's strides see some pixels more than others; seen always from the same
    corner, pictures learn a pattern that suits them.
    """
    size = min(JUDGED_PX, *picture.shape[-2:])
    free = min(picture.shape[-2:]) - size + 1
    corner = torch.randint(free, (2,), generator=generator, device=picture.device)
    row, col = corner.tolist()
    place = (..., slice(row, row + size), slice(col, col + size))
    distances: Tensor = metric(picture[place], truth[place])
    return distances.mean()


def cell_pattern(picture: Tensor, truth: Tensor, sigma_data: float) -> Tensor:
    """Power of what repeats from cell to cell in the error, in units of the residual's variance.

    The network writes 4x4 pixels at a time, and may favour some of them: too faint to count in
    any distance, plain to see as a grid. An error without a pattern averages out over cells.
    """
    cells = F.pixel_unshuffle((picture - truth) / sigma_data, PAIR_SCALE)
    height, width = cells.shape[-2:]
    means = F.avg_pool2d(cells, min(PATTERN_CELLS, height, width), stride=PATTERN_CELLS // 2)
    phases = means.reshape(len(means), picture.shape[1], PAIR_SCALE**2, *means.shape[-2:])
    power: Tensor = ((phases - phases.mean(dim=2, keepdim=True)) ** 2).mean()
    return power


def excess_variance(picture: Tensor, truth: Tensor, sigma_data: float) -> Tensor:
    """How much more local variance a picture has than its truth, counted most on flat ground.

    The deviation within FLAT_PX squares, in units of the residual's; what the picture lacks is
    the perceptual distance's to ask for.
    """
    ours, true = (_deviation(image) / sigma_data for image in (picture, truth))
    excess: Tensor = ((ours - true).clamp_min(0.0) / (0.25 + true)).mean()
    return excess


def phase_unevenness(picture: Tensor, truth: Tensor, factor: int) -> Tensor:
    """Variance over phases of the log ratio of a batch's gradients to the truth's, (B, C, H, W).

    A gradient's phase is its place within a native pixel of factor x factor px, on whose border
    both pictures begin; evaluation.phases measures the same, largest over smallest.
    """
    ours, true = (phase_gradients(image, factor) + 1e-6 for image in (picture, truth))
    return (ours / true).log().var(unbiased=False)


def _deviation(image: Tensor) -> Tensor:
    mean = F.avg_pool2d(image, FLAT_PX, stride=FLAT_PX // 2)
    square = F.avg_pool2d(image**2, FLAT_PX, stride=FLAT_PX // 2)
    return (square - mean**2).clamp_min(1e-8).sqrt()


def target_residual(pair: Pair, sigma_data: SigmaData) -> Tensor:
    """What the bands of a batch should be, in units of their deviation."""
    return to_deviation_units(residual(pair), sigma_data)
