"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, ...], float]
"""Every sample by its name and the values of its labels, in the order of their names."""


def read_metrics(client: httpx.Client, **headers: str) -> Samples:
    """The counters of a running server."""
    return parse_metrics(client.get("/metrics", headers=headers).text)


def parse_metrics(text: str) -> Samples:
    """The samples of a text."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
