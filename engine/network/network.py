"""What training, checkpoints and pictures know of any network: a denoiser with parameters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from engine.sampling.denoising import Encoding


class Config(Protocol):
    """A network's shape: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def image_channels(self) -> int:
        """Colours of a picture."""


class Network(nn.Module):
    """A denoiser (engine.sampling.denoising.Denoiser) with parameters."""

    config: Config
    channels: int
    """Bands of a state."""
    local: bool
    """Whether a pixel of x0 depends on nothing beyond the reach around it."""

    @property
    @abstractmethod
    def encode_reach_px(self) -> int:
        """State pixels that `encode` trims from every side."""

    @property
    @abstractmethod
    def reach_px(self) -> int:
        """State pixels that `denoise` trims from every side."""

    @abstractmethod
    def encode(self, condition: Tensor) -> Encoding:
        """The encoding of a condition (B, C, 2H, 2W) in [0, 1]."""

    @abstractmethod
    def denoise(self, state: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        """x0 of a state (B, channels, h, w) at noise level sigma (B,)."""


class Kind(NamedTuple):
    """A kind of network: the type of its shape, and what makes it from one."""

    config: type[Any]
    network: Callable[[Any], Network]
