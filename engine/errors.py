"""The engine's errors.

EngineError
├── CheckpointError   a checkpoint file is missing, corrupt, foreign or of the wrong shape
├── TrainingError     training cannot start or continue with its input
├── EvaluationError   what is needed to judge pictures is missing
└── UnpinnedRead      drawing reads source pixels that were not pinned: a programming error
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error that the engine raises on purpose."""


class CheckpointError(EngineError):
    """A checkpoint file cannot be used; the message names the file and the reason."""


class TrainingError(EngineError):
    """Training cannot start or continue; the message says what is missing."""


class EvaluationError(EngineError):
    """Pictures cannot be judged; the message says what is missing."""


class UnpinnedRead(EngineError):
    """Drawing reads source pixels that were not pinned; the message names the windows."""
