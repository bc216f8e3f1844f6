"""Sources by id, each as its files are now; no path or URL of a request reaches GDAL.

    settings -> locating -> raster (one version) -> Source -> Layer (layers), one a grid

A source whose files change is replaced by another one (watch), with handles, layers and
remembered blocks of its own; whoever holds the old one ends with it.
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
from tileserver.imagery.handles import Handles
from tileserver.origins.origin import in_threads
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Absent:
    """A configured source that could not be read since the start."""

    id: str
    settings: SourceSettings


class Catalogue:
    """All sources of a server, followed through the versions of their files."""

    def __init__(
        self,
        settings: Settings,
        checkpoint: Checkpoint,
        grids: TileMatrixSets,
        *,
        every: bool = True,
    ) -> None:
        """Raises StartupError for the first source that cannot be served.

        every: whether each must open; else any does, and the others are tried again.
        """
        self.settings, self.checkpoint = settings, checkpoint
        self._opener = Opener(settings, checkpoint, grids)
        self.grids = self._opener.grids
        self._fingerprints: dict[Sample, str] = {}
        opened = in_threads(
            lambda name: self._opener.tracked(name, settings.sources[name], settings.remote_hosts),
            list(settings.sources),
        )
        self._tracked = dict(zip(settings.sources, opened, strict=True))
        self._check_opened(every)
        self._watch = Watch([*self._tracked.values()], self._opener.check_seconds)
        weakref.finalize(self, self._watch.close)

    @property
    def picture_fingerprint(self) -> str:
        """Digest of all that decides the pixels of the default sample, the source apart."""
        return self.fingerprint_of(Sample(self.settings.noise_seed, self.settings.detail))

    def fingerprint_of(self, sample: Sample) -> str:
        """Digest of all that decides a sample's super-resolved pixels, the source apart."""
        found = self._fingerprints.get(sample)
        if found is None:
            # Kinds of device round differently; whether they also draw differently is not assumed.
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
            logger.error("%s: cannot be read at present (%s)", each.name, each.failure)

    @property
    def handles(self) -> Handles:
        """The open handles of all sources."""
        return self._opener.handles

    @property
    def slow_looks(self) -> int:
        """Looks for changes that have been under way for long: they may hang."""
        return self._watch.slow

    def __getitem__(self, id: str) -> Source:
        """The source as it is now, or as it was last read; takes no time.

        Raises UnknownSource, and SourceUnavailable where it could not be read since the start.
        """
        try:
            return self._tracked[id].current
        except KeyError:
            raise UnknownSource from None

    def failure(self, id: str) -> Exception | None:
        """Why the last look at a source found nothing to read, if it did not."""
        return self._tracked[id].failure

    def look(self, id: str) -> None:
        """Look at a source now, unless somebody does."""
        self._tracked[id].look()

    def sources(self) -> list[Source]:
        """All that were ever read, in the order of the configuration."""
        return [each.item for each in self._tracked.values() if each.item is not None]

    def configured(self) -> list[Source | Absent]:
        """All of them, in the order of the configuration."""
        settings = self.settings.sources
        return [each.item or Absent(id, settings[id]) for id, each in self._tracked.items()]

    def close(self) -> None:
        """Look for changes no more, and close the handles that nobody uses."""
        self._watch.close()
        for source in self.sources():
            source.close()
