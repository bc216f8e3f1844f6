"""Settings of the cache: its tiers, their sizes, and how long tiles stay fresh."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from tileserver.settings.base import MEBIBYTE, Frozen


class CacheSettings(Frozen):
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
        "overzoom:", description="Prefix of all keys in Redis."
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
