"""All settings, in one frozen object: built once at start-up, from the command line and YAML."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from engine.sampling.fusion import Fusion
from engine.sampling.lattice import Lattice
from engine.sampling.sampler import SamplerSettings
from engine.sampling.schedule import Schedule
from tileserver.errors import StartupError
from tileserver.settings.noise_seeds import MAX_NOISE_SEED, MIN_NOISE_SEED
from tileserver.settings.operation import AccessSettings, LogSettings, OperationSettings

SOURCE_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
RESERVED_IDS = frozenset(
    {
        "viewer",
        "sources.json",
        "healthz",
        "readyz",
        "api.html",
        "docs",
        "openapi.json",
        "conformance",
    }
    | {"favicon.ico"}
    | {"tileMatrixSets", "metrics", "status.json"}
)
MEBIBYTE = 2**20
Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UpstreamSettings(_Frozen):
    """A service of XYZ or WMTS tiles of 256 px, 8-bit, on a host in remote_hosts."""

    url: str = Field(
        description="Address of a tile with {z}, {x} and {y}, or a WMTS's with {TileMatrix}, "
        "{TileCol} and {TileRow}."
    )
    maxzoom: Annotated[int, Field(ge=0, le=30)] = Field(
        description="Its deepest zoom, which becomes the native one."
    )
    minzoom: Annotated[int, Field(ge=0, le=30)] = Field(0, description="Its first zoom.")
    bounds: tuple[float, float, float, float] | None = Field(
        None, description="West, south, east, north in degrees; default: all of the grid."
    )
    grid: str = Field("WebMercatorQuad", description="Its tile matrix set.")
    version: str = Field("", description="Change it when the service's imagery changes.")
    renewed_seconds: Annotated[int, Field(ge=60)] | None = Field(
        None, description="Take the imagery for changed every so many seconds; default: never."
    )

    @model_validator(mode="after")
    def _one_address_a_tile(self) -> Self:
        places = set(re.findall(r"\{(\w+)\}", self.url))
        if places not in ({"z", "x", "y"}, {"TileMatrix", "TileCol", "TileRow"}):
            raise ValueError("url has {z}, {x}, {y} or {TileMatrix}, {TileCol}, {TileRow}")
        if self.minzoom > self.maxzoom:
            raise ValueError("minzoom lies below maxzoom")
        return self


class SourceSettings(_Frozen):
    """One raster to serve: a path or an upstream."""

    path: str | None = Field(
        None,
        description="A raster that GDAL reads, a .vrt, a MosaicJSON or STAC item (.json), a folder "
        "with `mosaic`, relative to the configuration file; or an https:// or s3:// address.",
    )
    upstream: UpstreamSettings | None = Field(None, description="A tile service instead.")
    mosaic: bool = Field(False, description="Serve all rasters below a folder as this one source.")
    assets: tuple[str, ...] = Field((), description="Assets of a STAC item; their bands in order.")
    range: tuple[float, float] | None = Field(
        None,
        description="Values shown as black and white; default: all levels of 8-bit values, else "
        "the file's exact statistics, else the 2nd to the 98th percentile. None is clipped.",
    )
    crs: str | None = Field(
        None,
        description="Its coordinate reference system (EPSG:32633, WKT or PROJ), in place of what "
        "the file says or does not say.",
    )
    bands: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="Numbers of the bands that are its picture, in order; default: all but alpha.",
    )
    nodata: float | None = Field(
        None, description="The value of pixels without data, in place of what the file says."
    )
    alpha: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="Number of the band that says where there is data, 0 for none; default: the "
        "file's, if it holds the values of a mask.",
    )
    title: str | None = Field(None, description="What people call it; default: its id.")
    attribution: str | None = Field(
        None, description="Who made the imagery: shown on maps and in every document, HTML allowed."
    )
    licence: str | None = Field(
        None,
        description="What may be done with the imagery: an SPDX identifier, a name or an address.",
    )
    detail: Annotated[float, Field(ge=0, le=1)] | Literal["none"] | None = Field(
        None,
        description="How much synthesised texture is shown; default: the server's `detail`. none: "
        "nothing is synthesised, averaged or interpolated, as of classes: nearest neighbour at "
        "all zooms. Rasters with a colour table are always shown so.",
    )
    reference: str | None = Field(
        None, description="Id of a source with the true detail, to compare with in the viewer."
    )
    view: tuple[Longitude, Latitude, Annotated[int, Field(ge=0, le=30)]] | None = Field(
        None, description="Longitude, latitude and zoom that the viewer opens it at."
    )

    @property
    def nearest(self) -> bool:
        """Whether its values are to be taken for classes."""
        return self.detail == "none"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.path is None) == (self.upstream is None):
            raise ValueError("a source has either a path or an upstream")
        return self


class CacheSettings(_Frozen):
    """Where finished tiles are kept."""

    folder: Path | None = Field(
        None,
        description="Disk tier, relative to the configuration file; default: overzoom/ in the "
        "user's cache folder (XDG).",
    )
    memory_bytes: Annotated[int, Field(ge=0)] = Field(
        256 * MEBIBYTE, description="Encoded tiles kept in memory."
    )
    disk_bytes: Annotated[int, Field(ge=0)] = Field(
        4096 * MEBIBYTE,
        description="Encoded tiles kept on disk, by all servers that share the folder; "
        "0 keeps none.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that all servers share (redis://, rediss://, unix://): its tiles, and "
        "one computation a tile among them. Bounded by Redis's own maxmemory.",
    )
    redis_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{0,64}$")] = Field(
        "overzoom:", description="What the names of all keys in Redis start with."
    )
    object_store_url: SecretStr | None = Field(
        None,
        description="Object store that all servers share: s3://bucket/prefix, gs://bucket/prefix, "
        "az://account/container/prefix or file:///folder. Bounded by the bucket's own rules.",
    )
    object_store_options: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Options of that store as obstore names them, such as endpoint, region and "
        "access_key_id; what is not given comes from the environment (AWS_..., GOOGLE_..., "
        "AZURE_...).",
    )
    ttl_seconds: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Age at which tiles are dropped from every tier; default: never."
    )
    max_age_seconds: Annotated[int, Field(ge=0)] = Field(
        3600, description="How long clients may use a tile without asking again (Cache-Control)."
    )

    def disk_folder(self) -> Path:
        """The disk tier's folder."""
        if self.folder is not None:
            return self.folder
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return Path(base) / "overzoom"


class Settings(_Frozen):
    """Everything that a server is defined by."""

    sources: dict[Annotated[str, Field(pattern=SOURCE_ID)], SourceSettings] = Field(
        default_factory=dict, description="Sources by id: the first path element of their URLs."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen on.")
    checkpoint: Path | None = Field(
        None,
        description="The denoiser, a safetensors file, relative to the configuration file; "
        "default: the bundled one.",
    )
    device: str = Field("cpu", description="Where the denoiser runs: cpu, cuda, cuda:1, ...")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Threads of the denoiser on a CPU; default: one a core."
    )
    extra_zooms: Annotated[int, Field(ge=0, le=6)] = Field(
        3, description="Zooms served past a source's native one, each x2."
    )
    steps: Annotated[int, Field(ge=1, le=2000)] = Field(
        Schedule().steps, description="Denoising steps a zoom."
    )
    detail: Annotated[float, Field(ge=0, le=1)] = Field(
        SamplerSettings().detail,
        description="How much of the synthesised texture is shown: 0 is the best estimate alone, "
        "sharp and without invented texture; clients may ask for that beside this value.",
    )
    noise_seed: Annotated[int, Field(ge=MIN_NOISE_SEED, le=MAX_NOISE_SEED)] = Field(
        0, description="Which sample of the detail is shown; JavaScript knows 53 bits."
    )
    samples: Annotated[int, Field(ge=1, le=16)] = Field(
        4,
        description="Samples that clients may ask for: noise_seed and those after it.",
    )
    fusion: Literal["sdvc", "independent"] = Field(
        "sdvc",
        description="How tiles meet: sdvc joins them; independent (for comparison) shows seams.",
    )
    patch_px: Annotated[int, Field(ge=16)] = Field(
        256, description="Side of a patch of the noise lattice, in parent pixels."
    )
    stride_px: Annotated[int, Field(ge=16)] = Field(
        224, description="Distance of neighbouring patches, in parent pixels."
    )
    queue_tiles: Annotated[int, Field(ge=1)] = Field(
        256,
        description="Tiles that may wait for the denoiser at most, each with its part of the "
        "source (1.3 MB or less in RGB) in memory; the oldest beyond are refused.",
    )
    deadline_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        20, description="How long a request may wait; what cannot be drawn in time is refused."
    )
    when_busy: Literal["refuse", "interpolate"] = Field(
        "refuse",
        description="What a tile that cannot be drawn in time is answered with: 503, or the "
        "interpolated tile, labelled and not to be stored.",
    )
    public_url: Annotated[str, Field(pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$")] | None = Field(
        None, description="Where clients find the server, behind a proxy: https://maps.example/sr."
    )
    merged_tiles: Annotated[int, Field(ge=1)] = Field(
        16, description="Neighbouring tiles evaluated as one window at most."
    )
    batched_windows: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None,
        description="Windows that are no neighbours (other viewers') drawn in one batch at most; "
        "default: 1 on a CPU, where a batch gains nothing, 16 elsewhere.",
    )
    block_memory_bytes: Annotated[int, Field(ge=0)] = Field(
        256 * MEBIBYTE, description="Source blocks and pictures kept for deeper zooms, in memory."
    )
    source_check_seconds: Annotated[float, Field(ge=0)] = Field(
        2,
        description="How often local files are looked at for changes; 0: only when they are read.",
    )
    remote_check_seconds: Annotated[float, Field(ge=0)] = Field(
        60, description="How often remote files are looked at, a request each; 0 never does."
    )
    remote_hosts: frozenset[str] = Field(
        frozenset(), description="Hosts (host or host:port) and buckets that may be read from."
    )
    open_handles: Annotated[int, Field(ge=0)] = Field(
        64, description="Rasters kept open at a time, over all sources."
    )
    cache: CacheSettings = Field(default_factory=CacheSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    operation: OperationSettings = Field(default_factory=OperationSettings)

    @property
    def noise_seeds(self) -> tuple[int, ...]:
        """The samples that clients may ask for; the first is the default."""
        return tuple(range(self.noise_seed, self.noise_seed + self.samples))

    def detail_of(self, source: SourceSettings) -> float:
        """How much detail a source shows."""
        if source.detail is None:
            return self.detail
        return 0.0 if source.detail == "none" else source.detail

    def sampler(
        self, noise_seed: int | None = None, detail: float | None = None
    ) -> SamplerSettings:
        """The part that decides a sample; raises ValueError where numbers do not fit.

        noise_seed: default: the first of noise_seeds; detail: default: that of these settings.
        """
        overlap_px = self.patch_px - self.stride_px
        if self.fusion == "independent" and (self.stride_px % 2 or overlap_px % 4):
            raise ValueError("independent patches lie on even pixels: stride_px even, overlap by 4")
        return SamplerSettings(
            Schedule(steps=self.steps),
            Lattice(self.patch_px, self.stride_px),
            self.noise_seed if noise_seed is None else noise_seed,
            Fusion(self.fusion),
            self.detail if detail is None else detail,
        )


def read_settings(config: Path | None, overrides: dict[str, Any]) -> Settings:
    """Settings from a YAML file (if any) and overrides; raises StartupError in one line."""
    values: dict[str, Any] = {}
    where = "options"
    if config is not None:
        values, where = _from_yaml(config), str(config)
    try:
        settings = Settings.model_validate(_merged(values, overrides))
        settings.sampler()
        for id in RESERVED_IDS & set(settings.sources):
            raise ValueError(f"{id!r} is a page of the server: give that source another id")
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise StartupError(f"{where}: {'; '.join(reasons)}") from error
    except ValueError as error:
        raise StartupError(f"{where}: {error}") from error
    return settings


def is_remote_address(path: str) -> bool:
    """Whether a path is an address in a remote store, which is relative to nothing."""
    return urlsplit(path).scheme in ("http", "https", "s3")


def _from_yaml(config: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise StartupError(f"{config}: not a readable configuration ({reason})") from error
    if not isinstance(values, dict):
        raise StartupError(f"{config}: not a mapping of settings")
    folder = config.parent
    sources = values.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        path = source.get("path") if isinstance(source, dict) else None
        if isinstance(path, str) and not is_remote_address(path):
            source["path"] = str(folder / path)
    for place, name in ((values, "checkpoint"), (values.get("cache"), "folder")):
        if isinstance(place, dict) and isinstance(place.get(name), str):
            place[name] = str(folder / place[name])
    return values


def _merged(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, value in overrides.items():
        inner = merged.get(name)
        both = isinstance(value, dict) and isinstance(inner, dict)
        merged[name] = _merged(inner or {}, value) if both else value
    return merged
