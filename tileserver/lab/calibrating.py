"""`overzoom calibrate`: fits a checkpoint's uncertainty to its errors.

Pictures are reduced, enlarged again and compared with the originals. The result is stored in the
checkpoint's metadata. Fit it on pictures that were not trained on, and evaluate it on others
(`overzoom evaluate --uncertainty`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from engine.evaluation.upsampling import predict_deviation, super_resolve
from engine.network.calibration import COVERAGES, Calibration, fit_calibration
from engine.network.checkpoint import Checkpoint, save_checkpoint
from engine.sampling.settings import SamplerSettings
from tileserver.checkpoints import local_checkpoint
from tileserver.lab.enlargements import Sample, read_truths, reduce_truths

PIXELS = 400_000
"""Most values to use of a picture."""
FACTORS = (2, 4, 8)


class Errors(NamedTuple):
    """Predicted deviations and the errors of the displayed pixels, value by value."""

    predicted: NDArray[np.float64]
    error: NDArray[np.float64]


def calibrate(path: Path, pictures: Sequence[Path], limit: int | None) -> None:
    """Fit the uncertainty of a checkpoint at every factor and write it into the file."""
    checkpoint = local_checkpoint(path, "cpu")
    true = [truth for place in pictures for truth in read_truths(place, limit)]
    found: list[Calibration] = []
    for factor in FACTORS:
        samples = reduce_truths(true, factor)
        if not samples:
            break
        errors = measure_errors(checkpoint, SamplerSettings(), samples, factor)
        found.append(fit_calibration(*errors))
        quantiles = ", ".join(
            f"{share:.0%} {value:.2f}"
            for share, value in zip(COVERAGES, found[-1].quantiles, strict=True)
        )
        click.echo(
            f"x{factor}: deviation times {found[-1].factor:.2f}, at least "
            f"{255 * found[-1].floor:.2f} levels; intervals {quantiles}"
        )
    denoiser, card = checkpoint.denoiser, checkpoint.card
    save_checkpoint(path, denoiser, checkpoint.sigma_data, card, found)


def measure_errors(
    checkpoint: Checkpoint,
    settings: SamplerSettings,
    samples: Sequence[Sample],
    factor: int,
) -> Errors:
    """Deviations and errors of a random part of every picture."""
    plain = replace(checkpoint, calibrations=())
    deviations, errors = [], []
    generator = np.random.default_rng(factor)
    for sample in tqdm(samples, desc=f"uncertainty, x{factor}", unit="picture"):
        zooms = factor.bit_length() - 1
        drawn = super_resolve(sample.low, checkpoint, settings, zooms).astype(np.float64)
        deviation = predict_deviation(sample.low, plain, settings, zooms).astype(np.float64)
        some = generator.permutation(drawn.size)[:PIXELS]
        deviations.append(deviation.ravel()[some])
        errors.append((drawn - sample.truth).ravel()[some])
    return Errors(np.concatenate(deviations), np.concatenate(errors))
