"""From a source's settings to its origin: what GDAL is to open, and which files to watch.

Documents and members are read to know the origin, before it is inspected. So it is located once
more afterwards: what was read, and what the signatures and the digest belong to, are one version.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

from tileserver.errors import StartupError
from tileserver.origins.files import picture_files
from tileserver.origins.listings import read_listing
from tileserver.origins.members import LocalFile, LocalFolder, Member
from tileserver.origins.origin import Origin, file_origin, in_threads, join_origins
from tileserver.origins.remote import remote_origin
from tileserver.rasters.band_roles import BandRoles
from tileserver.rasters.inspection import inspect_origin
from tileserver.rasters.parts import Part, describe_member
from tileserver.rasters.raster import Raster
from tileserver.rasters.upstream import upstream_origin
from tileserver.rasters.virtual import Joined, build_mosaic, stack_bands
from tileserver.rasters.virtual_file import virtual_origin
from tileserver.settings.sources import SourceSettings, is_remote_address

ATTEMPTS = 3
"""At inspecting a source while its files change; the second reads only what has changed."""


def inspect_source(settings: SourceSettings, hosts: Set[str] = frozenset()) -> Raster:
    """Locate a source and inspect it; raises StartupError in one line, and OSError.

    hosts: remote hosts and buckets that may be read from.
    """
    roles = BandRoles(settings.bands, settings.nodata, settings.alpha)
    origin = locate(settings, hosts)
    for _ in range(ATTEMPTS):
        raster = inspect_origin(
            origin, settings.range, crs=settings.crs, roles=roles, nearest=settings.nearest
        )
        located, origin = origin, locate(settings, hosts)
        if located == origin:
            return raster
    raise StartupError(f"{origin.address.name}: its files change while they are read")


def locate(settings: SourceSettings, hosts: Set[str] = frozenset()) -> Origin:
    """The origin as the files are now; raises StartupError in one line, and OSError.

    hosts: remote hosts and buckets that may be read from.
    """
    if settings.upstream is not None:
        return upstream_origin(settings.upstream, hosts)
    if settings.path is None:
        raise StartupError("set path or upstream")
    if is_remote_address(settings.path):
        return remote_origin(settings.path, hosts)
    path = Path(settings.path)
    if path.is_dir():
        if not settings.mosaic:
            raise StartupError(f"{path}: a folder; set `mosaic: true` to serve it as one source")
        files = picture_files(path)
        folders = sorted({path, *(place for place in path.rglob("*") if place.is_dir())})
        parts = in_threads(lambda file: describe_member(file_origin(file)), files)
        listing = [LocalFolder(folder) for folder in folders]
        return _join_parts(build_mosaic(str(path), parts, settings.nearest), listing, parts)
    if path.suffix.lower() in (".json", ".geojson"):
        return _locate_listing(path, settings, hosts)
    if path.suffix.lower() == ".vrt":
        return virtual_origin(path, lambda name: resolve_reference(path, name, hosts))
    return file_origin(path)


def resolve_reference(document: Path, reference: str, hosts: Set[str]) -> Origin:
    """The one file that a document names: below its own folder, or on an allowed host.

    Raises StartupError for all else.
    """
    reference = reference.removeprefix("/vsicurl/").strip()
    if is_remote_address(reference):
        return remote_origin(reference, hosts)
    folder = document.parent.resolve()
    path = (folder / reference.removeprefix("file://")).resolve()
    if reference.startswith("/vsi") or not path.is_relative_to(folder):
        raise StartupError(f"{document}: {reference} lies outside the folder of this file")
    if not path.is_file():
        raise StartupError(f"{document}: {reference} is not there")
    return file_origin(path)


def _locate_listing(path: Path, settings: SourceSettings, hosts: Set[str]) -> Origin:
    references, bands = read_listing(path, settings.assets)
    parts = in_threads(
        lambda name: describe_member(resolve_reference(path, name, hosts)), references
    )
    joined = (stack_bands if bands else build_mosaic)(str(path), parts, settings.nearest)
    return _join_parts(joined, [LocalFile(path)], parts)


def _join_parts(joined: Joined, listing: Sequence[Member], parts: Sequence[Part]) -> Origin:
    return join_origins(joined.address, listing, [part.origin for part in parts], joined.windows)
