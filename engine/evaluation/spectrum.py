"""Spectra: how far a picture's is from the truth's, and periodic patterns in its error."""

from __future__ import annotations

import torch
from torch import Tensor

RINGS = 32
"""Rings of frequency, of equal width up to Nyquist."""
GRID_PX = 4


def log_spectrum_error_db(picture: Tensor, truth: Tensor) -> float:
    """Mean abs difference of the logarithms of radial power, pictures (C, H, W), in dB."""
    powers = (radial_power(picture), radial_power(truth))
    one, other = (10 * torch.log10(power + 1e-12) for power in powers)
    return float((one - other).abs().mean())


def radial_power(picture: Tensor, rings: int = RINGS) -> Tensor:
    """Mean spectral power of the luminance in rings of equal width up to Nyquist, (rings,).

    Pictures under 2 * rings px a side have fewer rings, so that none is empty.
    """
    grey = picture.mean(dim=0)
    rings = min(rings, min(grey.shape) // 2)
    rows = torch.hann_window(grey.shape[0], periodic=False)
    cols = torch.hann_window(grey.shape[1], periodic=False)
    power = torch.fft.fft2((grey - grey.mean()) * rows[:, None] * cols).abs() ** 2
    vertical, horizontal = torch.fft.fftfreq(grey.shape[0]), torch.fft.fftfreq(grey.shape[1])
    radius = (vertical[:, None] ** 2 + horizontal**2).sqrt() * 2
    ring = (radius * rings).long()
    return torch.stack([power[ring == index].mean() for index in range(rings)])


def grid_db(error: Tensor) -> float:
    """Power of a picture's error (C, H, W) at periods of 4 and 2 px over that of other periods.

    Networks that write cells of several pixels leave such grids; eyes notice them, distances do
    not.
    """
    side = min(error.shape[1:]) // GRID_PX * GRID_PX
    taper = torch.hann_window(side, periodic=False)
    grey = error.mean(dim=0)[:side, :side]
    power = torch.fft.fft2(grey * taper[:, None] * taper).abs() ** 2
    places = [(row, col) for row in range(GRID_PX) for col in range(GRID_PX) if row or col]
    around = (-7, -6, 6, 7)  # beyond the width of the taper
    lines = [(row * side // GRID_PX, col * side // GRID_PX) for row, col in places]
    peaks = torch.stack([power[row, col] for row, col in lines])
    beside = torch.stack(
        [
            power[(row + i) % side, (col + j) % side]
            for row, col in lines
            for i in around
            for j in around
        ]
    )
    return float(10 * torch.log10((peaks.mean() + 1e-12) / (beside.mean() + 1e-12)))
