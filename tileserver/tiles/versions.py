"""Which version of a source a cached tile belongs to: the first part of its key's fingerprint.

    fingerprint of a key = version "-" rendering

The version changes with the source's file and, past the native zoom, with everything that decides
the sample; the rendering is the request's own. So obsolete tiles can be distinguished
from current ones in another rendering.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cache.key import fingerprint
from engine.pictures.samples import Sample
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Source
from tileserver.tiles.encoding import ENCODING


def version(catalogue: Catalogue, source: Source, sample: Sample | None = None) -> str:
    """The source as it is now, and the sample that a tile past its native zoom is made of."""
    picture = None if sample is None else catalogue.fingerprint_of(sample)
    return _version_digest(source.fingerprint, picture)


@lru_cache(256)
def _version_digest(source: str, picture: str | None) -> str:
    return fingerprint(encoding=ENCODING, source=source, picture=picture)


def current_versions(catalogue: Catalogue) -> dict[str, frozenset[str]]:
    """The versions that tiles can have now, by source id."""
    seeds = catalogue.settings.noise_seeds

    def made_of(source: Source) -> Iterator[Sample | None]:
        yield None
        if source.raster.nearest:
            return
        detail = catalogue.settings.detail_of(source.settings)
        yield Sample(seeds[0], 0.0)
        yield from (Sample(seed, detail) for seed in seeds)

    return {
        source.id: frozenset(version(catalogue, source, sample) for sample in made_of(source))
        for source in catalogue.sources()
    }


def version_of(key_fingerprint: str) -> str:
    """The version in a key's fingerprint."""
    return key_fingerprint.partition("-")[0]
