"""The files that a run writes: paths, provenance, and whether they exist already."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from engine.network.checkpoint import Checkpoint
from engine.window import Window
from tileserver.errors import StartupError
from tileserver.offline.upscaling.compression import (
    DEFAULT,
    LOSSY,
    QUALITY,
    find_problem,
    without_nodata,
)
from tileserver.offline.upscaling.description import BandDescription, Description
from tileserver.offline.upscaling.options import Upscaling
from tileserver.offline.upscaling.scene import Scene

DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG"}
RECORD = "run.txt"
"""The file among the strips that identifies their run."""
PREFIX = "OVERZOOM_"
COMPARED = {
    "SOURCE_FINGERPRINT": "version of the source",
    "FACTOR": "factor",
    "CHECKPOINT": "checkpoint",
    "CHECKPOINT_FINGERPRINT": "version of the checkpoint",
    "STEPS": "steps",
    "DETAIL": "detail",
    "NOISE_SEED": "noise seed",
    "PART": "part",
    "COMPRESSION": "compression",
    "RANGE": "range",
    "DEVICE": "device",
    "VERSION": "Overzoom",
}
"""The tags that must match for a file to count as finished, with their names in messages."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file to write."""

    path: Path
    description: Description
    deviation: bool = False
    """Whether it contains the uncertainty, not the picture."""
    compression: str = DEFAULT
    """Of a GeoTIFF."""
    quality: int = QUALITY

    @property
    def driver(self) -> str | None:
        return DRIVERS.get(self.path.suffix.lower())

    @property
    def kind(self) -> str:
        """How its pixels are compressed, as text."""
        if self.driver == "PNG":
            return "png"
        return (
            f"{self.compression} {self.quality}" if self.compression in LOSSY else self.compression
        )

    @property
    def parts(self) -> Path:
        """The folder of its strips."""
        return self.path.with_name(self.path.name + ".parts")


def list_targets(
    scene: Scene, out: Path, uncertainty: Path | None, work: Upscaling
) -> list[Target]:
    """The picture, and its uncertainty if requested; raises StartupError for an unusable path."""
    described = scene.description.finer(work.factor)
    compression = work.compression or DEFAULT
    if DRIVERS.get(out.suffix.lower()) == "PNG":
        if work.compression is not None:
            raise StartupError(f"{out}: --compression is for GeoTIFFs; write to .tif")
        # Alpha suffices; image viewers ignore nodata values.
        described = replace(described, masked=without_nodata(described).masked)
    elif compression in LOSSY:
        described = without_nodata(described)
    targets = [Target(out, described, compression=compression, quality=work.quality)]
    if uncertainty is not None:
        lossless = DEFAULT if compression in LOSSY else compression
        targets.append(
            Target(uncertainty, _deviation(described), deviation=True, compression=lossless)
        )
    seen = {scene.path.resolve()}
    for target in targets:
        if target.path.resolve() in seen:
            raise StartupError(f"{target.path}: would overwrite another file of this run")
        seen.add(target.path.resolve())
        _check(target)
    return targets


def _deviation(picture: Description) -> Description:
    """The description of the uncertainty map, in the unit that all bands share, if they do."""
    bands = [band for band in picture.bands if band.colour is not ColorInterp.alpha]
    units, scales = {band.unit for band in bands}, {abs(band.scale) for band in bands}
    band = BandDescription(
        name="standard deviation of the error",
        unit=units.pop() if len(units) == len(scales) == 1 else "",
        scale=scales.pop() if len(scales) == 1 else 1.0,
    )
    alpha = len(bands) < len(picture.bands)
    masked = picture.masked or picture.nodata is not None or alpha
    return Description("float32", (band,), None, masked, picture.placement)


def _check(target: Target) -> None:
    """Raises StartupError if the target cannot be written."""
    path = target.path
    if target.driver is None:
        raise StartupError(f"{path}: the suffix must be one of {', '.join(DRIVERS)}")
    if target.driver == "PNG" and not _fits_png(target.description):
        raise StartupError(f"{path}: PNG holds 1 or 3 bands of 8 or 16 bits; write to .tif")
    if problem := find_problem(target.compression, target.description):
        raise StartupError(f"{path}: {problem}")
    if path.is_dir() or not path.parent.is_dir():
        raise StartupError(
            f"{path}: cannot be written (it is a folder, or its folder does not exist)"
        )
    ours = not target.parts.exists() or (target.parts / RECORD).exists()
    if not (ours or _is_empty(target.parts)):  # empty after a kill at its start or its end
        raise StartupError(
            f"{target.parts}: exists, but was not made by this command; move it away"
        )


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _fits_png(description: Description) -> bool:
    colours = [band.colour for band in description.bands]
    if colours[-1] is ColorInterp.alpha:
        colours.pop()
    whole = description.dtype in ("uint8", "uint16")
    return whole and len(colours) in (1, 3) and ColorInterp.alpha not in colours


def describe_run(
    scene: Scene, checkpoint: Checkpoint, work: Upscaling, target: Target
) -> dict[str, str]:
    """Provenance tags to write into a file; equal for equal runs."""
    meaning = f"detail finer than 1/{work.factor} of this resolution"
    if target.deviation:
        meaning = "standard deviation of the error"
    settings = work.settings
    tags = {
        "SYNTHETIC": meaning,
        "VERSION": version("overzoom"),
        "SOURCE": scene.path.name,
        "SOURCE_FINGERPRINT": scene.raster.fingerprint,
        "FACTOR": str(work.factor),
        "CHECKPOINT": checkpoint.name,
        "CHECKPOINT_FINGERPRINT": checkpoint.fingerprint,
        "STEPS": str(settings.schedule.steps),
        "DETAIL": repr(settings.detail),
        "NOISE_SEED": str(settings.noise_seed),
        "PART": "all" if scene.part == scene.extent else _shown(scene.part),
        "COMPRESSION": target.kind,
        "RANGE": "{!r} to {!r}".format(*scene.raster.range),
        "DEVICE": work.device.partition(":")[0],
    }
    return {PREFIX + name: value for name, value in tags.items()}


def _shown(part: Window) -> str:
    return f"row {part.row}, column {part.col}, {part.width} x {part.height} px"


def is_finished(path: Path, run: dict[str, str]) -> bool:
    """Whether an equal run has finished a file; False if it does not exist.

    Raises StartupError for any other existing file.
    """
    if not path.exists():
        return False
    found = _tags(path)
    if PREFIX + "FACTOR" not in found:
        raise StartupError(
            f"{path}: exists, but was not made by this command; --overwrite replaces it"
        )
    differing = [name for name in COMPARED if found.get(PREFIX + name) != run[PREFIX + name]]
    if not differing and found.get(PREFIX + "SYNTHETIC") != run[PREFIX + "SYNTHETIC"]:
        differing = ["SYNTHETIC"]  # it contains the factor, too
    changes = [
        f"{COMPARED.get(name, 'content')} {found.get(PREFIX + name, 'unknown')}, "
        f"not {run[PREFIX + name]}"
        for name in differing
    ]
    if changes:
        source = found.get(PREFIX + "SOURCE", "another source")
        raise StartupError(
            f"{path}: exists, made by this command from {source} with other settings "
            f"({'; '.join(changes)}); --overwrite replaces it"
        )
    return True


def _tags(path: Path) -> dict[str, str]:
    """A raster's tags; empty if it is not a raster."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                tags: dict[str, str] = dataset.tags()
                return tags
    except RasterioError:
        return {}


def remove_sidecars(path: Path) -> None:
    """Remove sidecars of an earlier file, which GDAL would apply to the new one."""
    for suffix in (".aux.xml", ".ovr", ".msk"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
