"""The engine's errors.

EngineError
├── CheckpointError   a checkpoint file is missing, corrupt, foreign or of the wrong shape
├── TrainingError     training cannot start or go on with what it was given
├── EvaluationError   what is needed to judge pictures is missing
└── UnpinnedRead      a drawing reads what was not read for it: a programming error
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error that the engine raises on purpose."""


class CheckpointError(EngineError):
    """A checkpoint file cannot be used; the message names the file and the reason."""


class TrainingError(EngineError):
    """Training cannot start or go on; the message says what is missing."""


class EvaluationError(EngineError):
    """Pictures cannot be judged; the message says what is missing."""


class UnpinnedRead(EngineError):
    """A drawing reads of its source what it was not given; the message names the windows."""
