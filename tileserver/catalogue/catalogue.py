"""Sources by id, each in its files' current version; no path or URL of a request reaches GDAL.

    settings -> locating -> raster (one version) -> Source -> Layer (layers), one a grid

A source whose files change is replaced by a new Source (watch), with its own handles, layers and
cached blocks; requests that hold the old one finish with it.
"""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass

from morecantile.defaults import TileMatrixSets

from cache.key import fingerprint
from engine.network.checkpoint import Checkpoint
from engine.pictures.samples import Sample
from tileserver.catalogue.layers import Source
from tileserver.catalogue.opener import Opener
from tileserver.catalogue.watch import Watch
from tileserver.errors import StartupError, UnknownSource
from tileserver.imagery.handles import HandlePool
from tileserver.origins.origin import in_threads
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Absent:
    """A configured source that has never been readable since the start."""

    id: str
    settings: SourceSettings
    failure: Exception | None = None
    """Why the last look at it found nothing to read."""


class Catalogue:
    """All sources of a server, each following the versions of its files."""

    def __init__(
        self,
        settings: Settings,
        checkpoint: Checkpoint,
        grids: TileMatrixSets,
        *,
        every: bool = True,
    ) -> None:
        """Raises StartupError for the first source that cannot be served.

        every: whether every source must open; else one is enough, and the others are polled.
        """
        self.settings, self.checkpoint = settings, checkpoint
        self._opener = Opener(settings, checkpoint, grids)
        self.grids = self._opener.grids
        self._fingerprints: dict[Sample, str] = {}
        opened = in_threads(
            lambda name: self._opener.track(name, settings.sources[name], settings.remote_hosts),
            list(settings.sources),
        )
        self._tracked = dict(zip(settings.sources, opened, strict=True))
        self._check_opened(every)
        self._watch = Watch([*self._tracked.values()], self._opener.check_seconds)
        weakref.finalize(self, self._watch.close)

    @property
    def picture_fingerprint(self) -> str:
        """Digest of everything but the source that decides the default sample's pixels."""
        return self.fingerprint_of(Sample(self.settings.noise_seed, self.settings.detail))

    def fingerprint_of(self, sample: Sample) -> str:
        """Digest of everything but the source that decides a sample's super-resolved pixels."""
        found = self._fingerprints.get(sample)
        if found is None:
            # Kinds of device round differently, so they may draw different pixels.
            kind = self.settings.device.partition(":")[0]
            found = fingerprint(
                checkpoint=self.checkpoint.fingerprint,
                sampler=self.settings.sampler(*sample),
                device=kind,
            )
            self._fingerprints[sample] = found
        return found

    def _check_opened(self, every: bool) -> None:
        missing = [each for each in self._tracked.values() if each.failure is not None]
        if missing and (every or len(missing) == len(self._tracked)):
            failure = missing[0].failure
            raise StartupError(str(failure)) from failure
        for each in missing:
            logger.error(
                "%s: cannot be read at present, will be retried (%s)", each.name, each.failure
            )

    @property
    def handle_pool(self) -> HandlePool:
        """The open handles of all sources."""
        return self._opener.handle_pool

    @property
    def slow_polls(self) -> int:
        """Polls that have been running for long: they may hang."""
        return self._watch.slow

    def __getitem__(self, id: str) -> Source:
        """The source's latest readable version; does no I/O.

        Raises UnknownSource, and SourceUnavailable if it was never readable since the start.
        """
        try:
            return self._tracked[id].current
        except KeyError:
            raise UnknownSource from None

    def failure(self, id: str) -> Exception | None:
        """Why the last poll of a source failed; None if it succeeded."""
        return self._tracked[id].failure

    def poll(self, id: str) -> None:
        """Poll a source now, unless a poll is running."""
        self._tracked[id].poll()

    def sources(self) -> list[Source]:
        """The sources that have been readable, in the order of the configuration."""
        return [each.item for each in self._tracked.values() if each.item is not None]

    def configured(self) -> list[Source | Absent]:
        """All configured sources, in the order of the configuration."""
        settings = self.settings.sources
        return [
            each.item or Absent(id, settings[id], each.failure)
            for id, each in self._tracked.items()
        ]

    def close(self) -> None:
        """Stop polling, and close the sources' idle handles."""
        self._watch.close()
        for source in self.sources():
            source.close()
