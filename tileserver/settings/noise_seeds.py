"""The noise seeds that servers, commands and browsers agree on: JavaScript's safe integers."""

from __future__ import annotations

FOLLOWING = 16
"""Samples after the first that may be asked for at most; their seeds follow its."""
MIN_NOISE_SEED = -(2**53) + FOLLOWING
MAX_NOISE_SEED = 2**53 - FOLLOWING
