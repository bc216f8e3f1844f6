"""Starting from a trained network, also from a smaller one.

A larger network begins as the same function: every new channel is read with weight zero, every
new block adds zero, and training fills them (function-preserving growth in the manner of Net2Net,
arXiv:1511.05641). So a large network need not relearn what a compact one knows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import TrainingError
from engine.network.local import NetworkConfig
from engine.network.network import Network


@torch.no_grad()
def grow(network: Network, smaller: Network) -> None:
    """Give a network the parameters of one that is nowhere larger; it then computes the same.

    Raises TrainingError where it is larger somewhere, or draws other channels.
    """
    ours, theirs = network.config, smaller.config
    if not (isinstance(ours, NetworkConfig) and isinstance(theirs, NetworkConfig)):
        raise TrainingError("a network with global context does not grow")
    fits = theirs.width <= ours.width and theirs.image_channels == ours.image_channels
    shorter = theirs.encoder_blocks <= ours.encoder_blocks
    if not (fits and shorter and theirs.denoiser_blocks <= ours.denoiser_blocks):
        raise TrainingError(f"a network {theirs} cannot grow into {ours}")
    known = smaller.state_dict()
    for name, value in network.state_dict().items():
        if name in known and name.startswith("embedding.2"):
            _embed_modulations(value, known[name], ours.width, theirs.width)
        elif name in known:
            _embed(value, known[name])
        elif name.endswith("second.bias"):
            value.zero_()


def _embed(value: Tensor, known: Tensor) -> None:
    """Known parameters in the corner; old outputs read nothing from new inputs."""
    if value.dim() > 1:
        value[: known.shape[0], known.shape[1] :] = 0.0
        value[: known.shape[0], : known.shape[1]] = known
    else:
        value[: known.shape[0]] = known


def _embed_modulations(value: Tensor, known: Tensor, width: int, known_width: int) -> None:
    """The last layer of the noise level's embedding: groups of `width` rows, two a block."""
    groups = zip(torch.split(value, width), torch.split(known, known_width), strict=False)
    for group, known_group in groups:
        _embed(group, known_group)
