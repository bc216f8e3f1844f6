"""All settings, in one frozen object: built once at start-up and passed in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from engine.sampling.schedule import Schedule
from engine.sampling.settings import SamplerSettings
from tileserver.settings.addresses import PublicUrl
from tileserver.settings.base import MEBIBYTE, Frozen
from tileserver.settings.basemap import BasemapSettings
from tileserver.settings.cache import CacheSettings
from tileserver.settings.noise_seeds import MAX_NOISE_SEED, MIN_NOISE_SEED
from tileserver.settings.operation import AccessSettings, LogSettings, OperationSettings
from tileserver.settings.sources import SourceId, SourceSettings, is_remote_address


class Settings(Frozen):
    """Everything that a server is defined by."""

    sources: dict[SourceId, SourceSettings] = Field(
        default_factory=dict, description="Sources by id: the first path element of their URLs."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen on.")
    checkpoint: Path | None = Field(
        None,
        description="The denoiser: a safetensors file, relative to the configuration file, or the "
        "name of a bundled one (compact, large); default: compact.",
    )
    device: str = Field("cpu", description="Where the denoiser runs: cpu, cuda, cuda:1, ...")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Threads of the denoiser on a CPU; default: one per core."
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        1,
        description="Processes that share the port. threads, block_memory_bytes, queue_tiles, "
        "open_handles, cache.memory_bytes and access.requests are divided among them; the limits "
        "of a client hold in each.",
    )
    extra_zooms: Annotated[int, Field(ge=0, le=6)] = Field(
        3, description="Zooms served past a source's native one, each x2."
    )
    steps: Annotated[int, Field(ge=1, le=2000)] = Field(
        Schedule().steps, description="Denoising steps per zoom."
    )
    detail: Annotated[float, Field(ge=0, le=1)] = Field(
        SamplerSettings().detail,
        description="How much of the synthesised texture is shown: 0 is the best estimate alone, "
        "sharp and without invented texture, which clients may request in any case.",
    )
    noise_seed: Annotated[int, Field(ge=MIN_NOISE_SEED, le=MAX_NOISE_SEED)] = Field(
        0, description="Which sample of the detail is shown: an integer of up to 53 bits."
    )
    samples: Annotated[int, Field(ge=1, le=16)] = Field(
        4,
        description="Samples that clients may ask for: noise_seed and those after it.",
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
    map_side_px: Annotated[int, Field(ge=256, le=4096)] = Field(
        4096, description="Width and height of a map (/map, WMS) at most."
    )
    public_url: PublicUrl | None = Field(
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
        description="Seconds between polls of local files for changes; 0: only when they are read.",
    )
    remote_check_seconds: Annotated[float, Field(ge=0)] = Field(
        60, description="Seconds between polls of remote files, one request each; 0: never."
    )
    remote_hosts: frozenset[str] = Field(
        frozenset(), description="Hosts (host or host:port) and buckets that may be read from."
    )
    open_handles: Annotated[int, Field(ge=0)] = Field(
        64, description="Rasters kept open at a time, over all sources."
    )
    basemap: BasemapSettings | None = Field(
        None,
        description="Tiles of another service ({url: ..., attribution: ..., maxzoom: ...}) that "
        "the viewer lays under the imagery where its user chooses so.",
    )
    cache: CacheSettings = Field(default_factory=CacheSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    operation: OperationSettings = Field(default_factory=OperationSettings)

    @property
    def noise_seeds(self) -> tuple[int, ...]:
        """The samples that clients may ask for; the first is the default."""
        return tuple(range(self.noise_seed, self.noise_seed + self.samples))

    def from_anywhere(self) -> Settings:
        """The same settings for processes with another working folder or user."""
        sources = {
            id: source
            if source.path is None or is_remote_address(source.path)
            else source.model_copy(update={"path": str(Path(source.path).absolute())})
            for id, source in self.sources.items()
        }
        checkpoint = self.checkpoint
        if checkpoint is not None and checkpoint.exists():  # else the name of a bundled one
            checkpoint = checkpoint.absolute()
        cache = self.cache.model_copy(update={"folder": self.cache.disk_folder().absolute()})
        changed = {"sources": sources, "checkpoint": checkpoint, "cache": cache}
        return self.model_copy(update=changed)

    def share(self, cores: int) -> Self:
        """The settings of one worker: its share of what the server may use.

        cores: those that the denoiser uses where threads is not set.
        """

        def share(amount: int) -> int:
            return -(-amount // self.workers)

        if self.workers == 1:
            return self
        return self.model_copy(
            update={
                "threads": max(1, (self.threads or cores) // self.workers),
                "block_memory_bytes": self.block_memory_bytes // self.workers,
                "queue_tiles": share(self.queue_tiles),
                "open_handles": share(self.open_handles),
                "cache": self.cache.model_copy(
                    update={"memory_bytes": self.cache.memory_bytes // self.workers}
                ),
                "access": self.access.model_copy(update={"requests": share(self.access.requests)}),
            }
        )

    def detail_of(self, source: SourceSettings) -> float:
        """How much detail a source shows."""
        if source.detail is None:
            return self.detail
        return 0.0 if source.detail == "none" else source.detail

    def sampler(
        self, noise_seed: int | None = None, detail: float | None = None
    ) -> SamplerSettings:
        """The part that decides a sample; its patches and how they are fused are the engine's.

        noise_seed: default: the first of noise_seeds; detail: default: that of these settings.
        """
        return SamplerSettings(
            Schedule(steps=self.steps),
            noise_seed=self.noise_seed if noise_seed is None else noise_seed,
            detail=self.detail if detail is None else detail,
        )
