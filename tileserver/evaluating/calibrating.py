"""`overzoom calibrate`: fit a checkpoint's uncertainty to the errors that it makes.

Pictures are reduced, enlarged again with several noise seeds, and compared with themselves. What is
measured is kept in the checkpoint's metadata; fit it on pictures that nothing was trained on, and
judge it on others (`overzoom evaluate --uncertainty`).
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

from engine.checkpoint import Checkpoint, save_checkpoint
from engine.evaluation.ways import super_resolved
from engine.imagery import Pixels
from engine.sampler import SamplerSettings
from engine.uncertainty import COVERAGES, Calibration, deviation, fit_calibration
from tileserver.checkpoints import local_checkpoint
from tileserver.evaluating.pictures import Sample, reduced, truths

SAMPLES = 4
"""Noise seeds that a deviation is taken over: as many as a server serves by default."""
PIXELS = 400_000
"""Values of a picture that are kept, at most."""
FACTORS = (2, 4, 8)
LEAST_PX = 16
"""Side of the smallest picture that is enlarged."""


class Errors(NamedTuple):
    """Deviations over samples, and the errors of the first of them, value by value."""

    spread: NDArray[np.float64]
    error: NDArray[np.float64]


def calibrate(path: Path, pictures: Sequence[Path], limit: int | None) -> None:
    """Fit the uncertainty of a checkpoint at every zoom and write it back."""
    checkpoint = local_checkpoint(path, "cpu")
    true = [truth for place in pictures for truth in truths(place, limit)]
    found: list[Calibration] = []
    for factor in FACTORS:
        large = [each for each in true if min(each.shape[1:]) >= factor * LEAST_PX]
        if not large:
            break
        errors = measured(checkpoint, SamplerSettings(), reduced(large, factor), factor)
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


def measured(
    checkpoint: Checkpoint,
    settings: SamplerSettings,
    samples: Sequence[Sample],
    factor: int,
    count: int = SAMPLES,
) -> Errors:
    """Deviations and errors over pictures, some values of each."""
    spreads, errors = [], []
    generator = np.random.default_rng(factor)
    for sample in tqdm(samples, desc=f"uncertainty, x{factor}", unit="picture"):
        drawn: list[Pixels] = [
            super_resolved(
                sample.low,
                checkpoint,
                replace(settings, noise_seed=seed),
                factor.bit_length() - 1,
            )
            for seed in range(count)
        ]
        some = generator.permutation(drawn[0].size)[:PIXELS]
        spreads.append(deviation(drawn).ravel()[some])
        errors.append((drawn[0].astype(np.float64) - sample.truth).ravel()[some])
    return Errors(np.concatenate(spreads), np.concatenate(errors))
