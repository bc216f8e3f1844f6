"""What all settings are made of: the frozen base model, and types that several of them share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MEBIBYTE = 2**20
Share = Annotated[int, Field(ge=1, le=100_000)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Frozen(BaseModel):
    """Settings that never change, and refuse what they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
