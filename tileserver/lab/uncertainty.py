"""Compares the calibrated uncertainty with the actual errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.evaluation.reliability import Reliability, reliability
from engine.evaluation.upsampling import predict_deviation, super_resolve
from engine.network.calibration import COVERAGES, Calibration, coverage
from engine.network.checkpoint import Checkpoint
from engine.sampling.settings import SamplerSettings
from tileserver.lab.enlargements import Sample
from tileserver.lab.report import Cell, Report, Table

SIZE = 320
MARGIN = 40


def uncertainty_table(
    report: Report,
    sample: Sample,
    factor: int,
    checkpoints: Sequence[tuple[Checkpoint, SamplerSettings]],
) -> Table:
    """Error by standard deviation, over eight equal parts of the ground."""
    rows: list[tuple[Cell, ...]] = []
    curves: dict[str, Reliability] = {}
    for checkpoint, settings in checkpoints:
        name = f"{checkpoint.name}, {settings.schedule.steps} steps"
        found, shares = _reliability(sample, factor, checkpoint, settings)
        curves[name] = found
        pairs = zip(found.deviation_levels, found.error_levels, strict=True)
        cells = tuple(f"{sure:.1f} / {wrong:.1f}" for sure, wrong in pairs)
        inside = (f"{100 * share:.1f} %" for share in shares)
        rows.append((name, *inside, *cells, found.rank_correlation))
    parts = len(next(iter(curves.values())).deviation_levels)
    note = (
        f"x{factor}. Intervals: share of true values inside, to compare "
        "with the column's name. Parts: calibrated deviation / actual error in levels, on an "
        "eighth of the ground each, surest first; equal if calibrated. Rank correlation over "
        "blocks of 8 px."
    )
    intervals = (f"{share:.0%} interval" for share in COVERAGES)
    columns = (
        "checkpoint",
        *intervals,
        *(f"part {n}" for n in range(1, parts + 1)),
        "rank correlation",
    )
    picture = report.text(f"calibration-x{factor}.svg", _plot(curves))
    return Table(f"Uncertainty, x{factor}", note, columns, tuple(rows), picture)


def _reliability(
    sample: Sample, factor: int, checkpoint: Checkpoint, settings: SamplerSettings
) -> tuple[Reliability, tuple[float, ...]]:
    zooms = factor.bit_length() - 1
    shown = super_resolve(sample.low, checkpoint, settings, zooms)
    error = shown.astype(np.float64) - sample.truth
    deviation = predict_deviation(sample.low, checkpoint, settings, zooms).astype(np.float64)
    quantiles = checkpoint.calibration(zooms).quantiles
    sure, wrong = (np.sqrt((v**2).mean(axis=0)) for v in (deviation, error))
    calibrated = Calibration(quantiles=quantiles)
    return reliability(sure, wrong), coverage(calibrated, deviation, error)


def _plot(curves: dict[str, Reliability]) -> str:
    """A plot of error over standard deviation, one line a checkpoint, as SVG."""
    right = max(max(c.deviation_levels) for c in curves.values()) * 1.05
    top = max(max(c.error_levels) for c in curves.values()) * 1.05

    def place(deviation: float, error: float) -> str:
        inner = SIZE - MARGIN - 10
        x, y = MARGIN + deviation / right * inner, SIZE - MARGIN - error / top * inner
        return f"{x:.1f},{y:.1f}"

    colours = ("#1b6ca8", "#c4501b", "#3a7d44", "#7a3b8f")
    place_y, last = SIZE - 80, SIZE - MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" '
        f'font-family="sans-serif" font-size="11">',
        f'<rect width="{SIZE}" height="{SIZE}" fill="white"/>',
        f'<path d="M{MARGIN},10 V{last} H{SIZE - 10}" fill="none" stroke="black"/>',
        f'<text x="{SIZE / 2}" y="{SIZE - 10}">standard deviation, to {right:.0f} levels</text>',
        f'<text transform="translate(14 {place_y}) rotate(-90)">error, to {top:.0f} levels</text>',
    ]
    for index, (name, curve) in enumerate(curves.items()):
        points = " ".join(
            place(*pair) for pair in zip(curve.deviation_levels, curve.error_levels, strict=True)
        )
        colour = colours[index % len(colours)]
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        y = 24 + 14 * index
        lines.append(f'<text x="{MARGIN + 8}" y="{y}" fill="{colour}">{name}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
