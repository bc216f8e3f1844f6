"""Prepares batches ahead of the training step, in a thread of their own.

On a GPU also in a stream of their own: small copies from the host wait for all that their stream
was given before, and would wait for the training step in its.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from engine.training.loss import Pair

AHEAD = 4
"""Batches that are prepared ahead."""


def prefetch(
    prepare: Callable[[int], Pair], first: int, device: str
) -> Generator[Pair, None, None]:
    """The batches first, first + 1, ... without end, as prepare makes them on a device."""
    on_gpu = torch.device(device).type == "cuda"
    stream = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]  # torch's has no types

    def prepare_in_stream(number: int) -> Pair:
        if stream is None:
            return prepare(number)
        with torch.cuda.stream(stream):
            pair = prepare(number)
        stream.synchronize()
        return pair

    with ThreadPoolExecutor(1) as worker:
        ahead: deque[Future[Pair]] = deque(
            worker.submit(prepare_in_stream, first + place) for place in range(AHEAD)
        )
        try:
            while True:
                first += 1
                ahead.append(worker.submit(prepare_in_stream, first + AHEAD - 1))
                pair = ahead.popleft().result()
                if on_gpu:  # its memory is not used again before the training step has read it
                    for part in (pair.condition, pair.target):
                        part.record_stream(torch.cuda.current_stream(device))
                yield pair
        finally:
            for future in ahead:
                future.cancel()
