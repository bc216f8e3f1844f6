"""Scores of an enlarged picture against its truth, both as 8-bit pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import degrees, isfinite, nan
from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.evaluation.correctness import correctness
from engine.evaluation.judges import judge
from engine.evaluation.phases import phase_evenness
from engine.evaluation.spectrum import grid_db, log_spectrum_error_db
from engine.imagery import Pixels
from engine.network.projection import pool
from engine.perceptual import PerceptualDistance

SHIFT_UPSAMPLING = 20
"""The shift is measured to this part of a pixel."""


@dataclass(frozen=True, slots=True)
class Score:
    """Scores of one picture: first those that no network is trained on."""

    haarpsi: float
    fsim: float
    vifp: float
    mdsi: float
    """Of `judges`: 1 is equal, but 0 of MDSI."""
    log_spectrum_error_db: float
    phase_evenness: float
    improvement: float
    omission: float
    hallucination: float
    """Shares of pixels (opensr-test): near the truth, as interpolated, far from both."""
    psnr_db: float
    ssim: float
    perceptual_alex: float
    perceptual_vgg: float
    grid_db: float
    """Power at periods of 4 and 2 px over that of the frequencies around them; 0 is no grid."""
    drift_levels: float
    """Mean abs(pool(enlarged) - low) in levels of 255 (reflectance consistency)."""
    spectral_angle_degrees: float
    """Mean angle between the colours of pool(enlarged) and of low."""
    shift_px: float
    """Global shift of pool(enlarged) against low, in low-resolution pixels."""


def score(
    enlarged: Pixels,
    low: Pixels,
    truth: Pixels,
    interpolated: Pixels,
    metrics: Mapping[str, PerceptualDistance],
) -> Score:
    """Compare an enlargement of low, (C, H, W) in [0, 1], with the truth."""
    return scores({"": enlarged}, low, truth, interpolated, metrics)[""]


@torch.inference_mode()
def scores(
    enlargements: Mapping[str, Pixels],
    low: Pixels,
    truth: Pixels,
    interpolated: Pixels,
    metrics: Mapping[str, PerceptualDistance],
) -> dict[str, Score]:
    """Compare several enlargements of low with the same truth."""
    true = _eight_bit(truth)
    shown = torch.stack([_eight_bit(pixels) for pixels in enlargements.values()])
    distances = {
        name: metric.distances(shown, true[None]).tolist() for name, metric in metrics.items()
    }
    plain, data = _eight_bit(interpolated), torch.from_numpy(low)
    factor = true.shape[-1] // data.shape[-1]
    found = {}
    for index, name in enumerate(enlargements):
        picture = shown[index]
        reduced = picture
        while reduced.shape[-1] > data.shape[-1]:
            reduced = pool(reduced)
        squared = float(((picture - true) ** 2).mean())
        found[name] = Score(
            *judge(picture, true),
            log_spectrum_error_db(picture, true),
            phase_evenness(picture, true, factor),
            *correctness(picture, plain, true),
            -10 * np.log10(squared + 1e-12),
            ssim(picture, true),
            distances["alex"][index] if "alex" in distances else nan,
            distances["vgg"][index] if "vgg" in distances else nan,
            grid_db(picture - true),
            float((reduced - data).abs().mean()) * 255,
            _spectral_angle(reduced, data),
            _shift_px(reduced, data),
        )
    return found


def mean_score(all_scores: Iterable[Score]) -> Score:
    """The mean of every score over the pictures that have it."""
    rows = [asdict(one) for one in all_scores]
    known = {name: [row[name] for row in rows if isfinite(row[name])] for name in rows[0]}
    return Score(**{name: fmean(values) if values else nan for name, values in known.items()})


def ssim(one: Tensor, other: Tensor) -> float:
    """Structural similarity (Wang et al. 2004): Gaussian window of 11 px, over all channels."""
    position = torch.arange(11, dtype=torch.float32) - 5
    profile = torch.exp(-(position**2) / (2 * 1.5**2))
    kernel = (profile[:, None] * profile / profile.sum() ** 2)[None, None]

    def smooth(values: Tensor) -> Tensor:
        return F.conv2d(values[:, None], kernel)[:, 0]

    mean_one, mean_other = smooth(one), smooth(other)
    variance_one = smooth(one * one) - mean_one**2
    variance_other = smooth(other * other) - mean_other**2
    covariance = smooth(one * other) - mean_one * mean_other
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * mean_one * mean_other + c1) * (2 * covariance + c2)
    likeness /= (mean_one**2 + mean_other**2 + c1) * (variance_one + variance_other + c2)
    return float(likeness.mean())


def _spectral_angle(reduced: Tensor, data: Tensor) -> float:
    product = (reduced * data).sum(dim=0)
    norms = reduced.norm(dim=0) * data.norm(dim=0)
    lit = norms > 1e-6  # black has no colour
    cosine = (product[lit] / norms[lit]).clamp(-1, 1)
    angles = torch.acos(cosine.double())
    return degrees(float(angles.mean())) if angles.numel() else nan


def _shift_px(reduced: Tensor, data: Tensor) -> float:
    """Phase correlation of the luminance, its peak refined by a fine Fourier sum around it."""
    one = torch.fft.fft2(reduced.mean(dim=0) - reduced.mean())
    other = torch.fft.fft2(data.mean(dim=0) - data.mean())
    cross = one * other.conj()
    if not bool(cross.abs().max() > 0):
        return nan
    cross = cross / (cross.abs() + 1e-9)
    height, width = cross.shape
    peak = int(torch.fft.ifft2(cross).real.argmax())
    row, col = divmod(peak, width)
    coarse = (row - height if row > height // 2 else row, col - width if col > width // 2 else col)
    steps = torch.arange(-SHIFT_UPSAMPLING, SHIFT_UPSAMPLING + 1) / SHIFT_UPSAMPLING
    rows, cols = steps + coarse[0], steps + coarse[1]
    down = torch.exp(2j * torch.pi * rows[:, None] * torch.fft.fftfreq(height))
    across = torch.exp(2j * torch.pi * torch.fft.fftfreq(width)[:, None] * cols)
    fine = (down @ cross @ across).real
    best = divmod(int(fine.argmax()), len(cols))
    return float((rows[best[0]] ** 2 + cols[best[1]] ** 2) ** 0.5)


def _eight_bit(pixels: Pixels) -> Tensor:
    return (torch.from_numpy(pixels).clamp(0, 1) * 255).round() / 255
