"""Which version of a source a cached tile belongs to: the first part of its key's fingerprint.

    fingerprint of a key = version "-" rendering

The version changes with the source's file and, past the native zoom, with everything that decides
the sample; the rendering is the request's own. So tiles that nobody can ask for any more are told
from those of another rendering.
"""

from __future__ import annotations

from collections.abc import Sequence

from cache.key import fingerprint
from tileserver.catalogue import Catalogue
from tileserver.encoding import ENCODING
from tileserver.layers import Source


def version(catalogue: Catalogue, source: Source, noise_seeds: Sequence[int] = ()) -> str:
    """The source as it is now, and the samples that a tile past its native zoom is made of."""
    pictures = tuple(catalogue.picture_fingerprints[seed] for seed in noise_seeds)
    return fingerprint(ENCODING, source.fingerprint, *(pictures or (None,)))


def current_versions(catalogue: Catalogue) -> dict[str, frozenset[str]]:
    """The versions that tiles can have now, by source id."""
    every = catalogue.settings.noise_seeds
    made_of = [(), *((seed,) for seed in every), every]
    return {
        source.id: frozenset(version(catalogue, source, seeds) for seeds in made_of)
        for source in catalogue.sources()
    }


def version_of(key_fingerprint: str) -> str:
    """The version in a key's fingerprint."""
    return key_fingerprint.partition("-")[0]
