"""Which version of a source a cached tile belongs to: the first part of its key's fingerprint.

    fingerprint of a key = version "-" rendering

The version changes with the source's file and, past the native zoom, with everything that decides
the sample; the rendering is the request's own. So tiles that nobody can ask for any more are told
from those of another rendering.
"""

from __future__ import annotations

from cache.key import fingerprint
from tileserver.catalogue import Catalogue, Source
from tileserver.encoding import ENCODING


def version(catalogue: Catalogue, source: Source, *, sampled: bool) -> str:
    """The source as it is now; sampled: past its native zoom, made by the denoiser."""
    picture = catalogue.picture_fingerprint if sampled else None
    return fingerprint(ENCODING, source.fingerprint, picture)


def current_versions(catalogue: Catalogue) -> dict[str, frozenset[str]]:
    """The versions that tiles can have now, by source id."""
    return {
        source.id: frozenset(version(catalogue, source, sampled=s) for s in (False, True))
        for source in catalogue.sources()
    }


def version_of(key_fingerprint: str) -> str:
    """The version in a key's fingerprint."""
    return key_fingerprint.partition("-")[0]
