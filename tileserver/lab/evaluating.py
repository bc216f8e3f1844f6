"""`overzoom evaluate`: runs the requested experiments, cheapest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import rasterio
import torch

from engine.evaluation.global_unet import BUNDLED as GLOBAL
from engine.imagery import Pixels
from engine.network.checkpoint import Checkpoint
from engine.perceptual import PerceptualDistance
from engine.sampling.schedule import Schedule
from engine.sampling.settings import SamplerSettings
from tileserver.checkpoints import COMPACT, find_checkpoint, local_checkpoint
from tileserver.errors import StartupError
from tileserver.lab.buildings import buildings_table
from tileserver.lab.enlargements import (
    MIN_LOW_PX,
    Sample,
    as_pixels,
    read_truths,
    reduce_truths,
    score_methods,
)
from tileserver.lab.fusion import fusion_table
from tileserver.lab.methods import Method, list_methods
from tileserver.lab.peers import Peer, find_peers, load_span_peers
from tileserver.lab.pictures import read_picture
from tileserver.lab.report import Report, Table
from tileserver.lab.sheet import draw_sheet
from tileserver.lab.uncertainty import uncertainty_table
from tileserver.origins.files import picture_files

SCENE_PX = 768
"""Side of the central square of a scene for fusion, uncertainty and the sheet."""
FACTORS = (2, 4, 8)
SEGMENTER_ITERATIONS = 200
MAX_OFFSET_PX = 0.1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The requested experiments; those without data are left out."""

    sets: tuple[tuple[str, Path], ...] = ()
    """Sets of pictures by name, reduced by area means."""
    checkpoints: tuple[Path, ...] = ()
    factors: tuple[int, ...] = FACTORS
    steps: tuple[int, ...] = (Schedule().steps,)
    noise_seed: int = 0
    limit: int | None = None
    with_peers: bool = False
    peers_folder: Path | None = None
    fusion: Path | None = None
    global_checkpoint: Path = GLOBAL
    served: tuple[Path, Path] | None = None
    buildings: tuple[Path, Path] | None = None
    uncertainty: Path | None = None
    sheet: Path | None = None
    """The picture to show by every method; default: the first of the first set."""

    @classmethod
    def of(cls, pictures: tuple[str, ...], options: dict[str, Any]) -> Evaluation:
        """The options of the command line; also sets the number of torch's threads."""
        if (threads := options.pop("threads")) is not None:
            torch.set_num_threads(threads)
        options["checkpoints"] = tuple(map(find_checkpoint, options["checkpoints"])) or (COMPACT,)
        options["factors"] = tuple(int(factor) for factor in options["factors"]) or FACTORS
        options["global_checkpoint"] = options["global_checkpoint"] or GLOBAL
        options["steps"] = options["steps"] or (Schedule().steps,)
        return cls(tuple(_named(entry) for entry in pictures), **options)


def _named(entry: str) -> tuple[str, Path]:
    """A set's name and path, from NAME=PATH or PATH."""
    name, _, place = entry.rpartition("=")
    return name or Path(place).stem, Path(place)


def evaluate(asked: Evaluation, folder: Path) -> None:
    """Run the experiments, print every table and write the report."""
    report = Report(folder, "Evaluation")
    names = [path.stem for path in asked.checkpoints]
    asked = replace(asked, sheet=asked.sheet or _first_picture(asked.sets))
    for name in names:
        if names.count(name) > 1:
            raise StartupError(f"two checkpoints are called {name}: rename one")
    loaded = [
        (
            local_checkpoint(path, "cpu"),
            SamplerSettings(Schedule(steps=count), noise_seed=asked.noise_seed),
        )
        for path in asked.checkpoints
        for count in asked.steps
    ]
    others = list(find_peers()) if asked.with_peers else []
    if asked.peers_folder is not None:
        others += load_span_peers(asked.peers_folder)
    by_factor = {factor: list_methods(factor, loaded, others) for factor in asked.factors}
    metrics = {name: PerceptualDistance(name) for name in ("alex", "vgg")}
    for table in _tables(asked, report, loaded, by_factor, others, metrics):
        report.add(table)
        for line in table.markdown():
            click.echo(line)
    click.echo(f"{folder / 'report.md'}")


def _first_picture(sets: Sequence[tuple[str, Path]]) -> Path | None:
    """The first picture of the first set: every report shows one."""
    return picture_files(sets[0][1])[0] if sets else None


def _tables(
    asked: Evaluation,
    report: Report,
    loaded: Sequence[tuple[Checkpoint, SamplerSettings]],
    by_factor: Mapping[int, Sequence[Method]],
    others: Sequence[Peer],
    metrics: Mapping[str, PerceptualDistance],
) -> Iterator[Table]:
    for name, place in asked.sets:
        true = read_truths(place, asked.limit)
        for factor, some in by_factor.items():
            title, samples = f"{name}, x{factor}", reduce_truths(true, factor)
            if not samples:
                yield Table(title, f"Skipped: no picture has {MIN_LOW_PX * factor} px a side.")
                continue
            note = f"{len(samples)} pictures, from {factor}x{factor} means."
            yield score_methods(title, note, samples, some, metrics)
    if asked.served is not None:
        samples = read_served_samples(*asked.served)
        note = f"{len(samples)} crops, doubled from what a public tile server delivers."
        some = list_methods(2, loaded, others)
        yield score_methods("Real degradation, x2", note, samples, some, metrics)
    if asked.sheet is not None:
        true = [crop_middle(asked.sheet, SCENE_PX)]
        for factor, some in by_factor.items():
            for sample in reduce_truths(true, factor):
                picture = report.picture(f"sheet-x{factor}.webp", draw_sheet(sample, some))
                title = f"{asked.sheet.name}, x{factor}"
                yield Table(title, "The same ground by every method.", picture=picture)
    if asked.fusion is not None:
        (sample,) = reduce_truths([crop_middle(asked.fusion, SCENE_PX)], 2)
        paths = (asked.checkpoints[0], asked.global_checkpoint)
        yield fusion_table(paths, sample, metrics)
    if asked.uncertainty is not None:
        true = [crop_middle(asked.uncertainty, SCENE_PX)]
        for factor in asked.factors:
            for sample in reduce_truths(true, factor):
                yield uncertainty_table(report, sample, factor, loaded)
    if asked.buildings is not None:
        yield buildings_table(*asked.buildings, by_factor, SEGMENTER_ITERATIONS)


def crop_middle(path: Path, side_px: int) -> Pixels:
    """The central square of a picture, or all of a smaller one."""
    levels = read_picture(path)
    row, col = (max(0, (size - side_px) // 2) for size in levels.shape[:2])
    return as_pixels(levels[row : row + side_px, col : col + side_px])


def read_served_samples(low: Path, truth: Path, count: int = 4, side_px: int = 256) -> list[Sample]:
    """Crops of a raster, paired with crops of the same ground from one with half its pixel size."""
    with rasterio.open(low) as coarse, rasterio.open(truth) as fine:
        ratio = coarse.res[0] / fine.res[0]
        if coarse.crs != fine.crs:
            raise StartupError(f"{low}: has another coordinate reference system than {truth}")
        if abs(ratio - 2) > 1e-3:
            raise StartupError(f"{low}: its pixels are {ratio:.2f} times those of {truth}, not 2")
        if min(coarse.shape) < side_px + 2:
            raise StartupError(f"{low}: has less than {side_px + 2} px on a side")
        samples = []
        for index in range(count):
            row = (2 * index + 1) * coarse.height // (2 * count) - side_px // 2
            col = (coarse.width - side_px) // (1 + (index + 1) % 2)
            row = min(max(1, row), coarse.height - side_px - 1)
            col = min(max(1, col), coarse.width - side_px - 1)
            place = ~fine.transform * (coarse.transform * (col, row))
            across, down = (round(value) for value in place)
            if max(abs(place[0] - across), abs(place[1] - down)) > MAX_OFFSET_PX:
                raise StartupError(f"{low}: its pixels are not aligned with those of {truth}")
            if min(across, down) < 0 or down + 2 * side_px > fine.height:
                raise StartupError(f"{low}: is partly outside {truth}")
            one = coarse.read((1, 2, 3), window=((row, row + side_px), (col, col + side_px)))
            other = fine.read(
                (1, 2, 3),
                window=((down, down + 2 * side_px), (across, across + 2 * side_px)),
            )
            samples.append(
                Sample(*(as_pixels(levels.transpose(1, 2, 0)) for levels in (one, other)))
            )
    return samples
