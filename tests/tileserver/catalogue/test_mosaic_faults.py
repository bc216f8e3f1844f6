"""Mosaics with a half-copied member: the last good version stays served."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier

import pytest
import rasterio
from affine import Affine
from morecantile import Tile
from starlette.testclient import TestClient

from tests.support.changing import LONG_AGO, aged, inverted, wait_for_replacement
from tests.support.members import mosaic_json, raster_of
from tests.support.rasters import SMALL_SIDE, cut
from tests.support.tiles import WEB_MERCATOR, path_of
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.app import make_app
from tileserver.catalogue.catalogue import Catalogue
from tileserver.errors import SourceUnavailable
from tileserver.origins import members
from tileserver.origins.members import LocalFile, Signature
from tileserver.origins.origin import SIDE_BY_SIDE, in_threads
from tileserver.settings.server import Settings

MakeSettings = Callable[..., Settings]
APART_METRES = 2000
NATIVE = 19


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Members in a row, far from each other."""
    scene = cut(tmp_path / "scene.tif", "rgb", SMALL_SIDE)
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(6):
        moved(scene, folder / f"{number}.tif", number * APART_METRES)
    return folder


def moved(path: Path, to: Path, metres: float) -> Path:
    """The same raster farther east, written long ago."""
    with rasterio.open(path) as dataset:
        profile, pixels = dataset.profile, dataset.read()
    size = profile["transform"].a
    profile["transform"] *= Affine.translation(round(metres / size), 0)
    aside = to.with_suffix(".part")
    with rasterio.open(aside, "w", **profile) as out:
        out.write(pixels)
    return aged(aside).replace(to)  # never seen without it, nor half


def middle(member: Path) -> Tile:
    """The native tile in the middle of a member."""
    with rasterio.open(member) as dataset:
        (west, south, east, north), crs = dataset.bounds, dataset.crs
        x, y = rasterio.warp.transform(crs, "EPSG:4326", [(west + east) / 2], [(south + north) / 2])
    return WEB_MERCATOR.tile(x[0], y[0], NATIVE)


def half_copied(member: Path, to: Path) -> Path:
    content, aside = member.read_bytes(), to.with_suffix(".part")
    aside.write_bytes(content[: len(content) // 2])
    return aged(aside).replace(to)  # never seen empty


@pytest.fixture
def serve(app_settings: MakeSettings, folder: Path) -> Iterator[Callable[..., TestClient]]:
    clients: list[TestClient] = []

    def serve(**settings: object) -> TestClient:
        sources = {"m": {"path": str(folder), "mosaic": True}}
        values = {"sources": sources, "source_check_seconds": 0.05, "deadline_seconds": 120}
        client = TestClient(make_app(app_settings(**{**values, **settings})))
        clients.append(client)
        return client.__enter__()

    yield serve
    for client in clients:
        client.__exit__(None, None, None)


def catalogue_of(client: TestClient) -> Catalogue:
    catalogue: Catalogue = client.app.state.tiles.catalogue  # type: ignore[attr-defined]  # Starlette's state is untyped
    return catalogue


def test_a_member_that_is_being_copied_in_leaves_the_last_version_serving(
    serve: Callable[..., TestClient], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, new = serve(), folder / "new.tif"
    catalogue, tile = catalogue_of(client), middle(folder / "0.tif")
    old = catalogue["m"]
    assert client.get(path_of(tile, "m")).status_code == 200
    half_copied(folder / "0.tif", new)
    wait_until(lambda: catalogue.failure("m"))
    for format in ("npy", "tif"):
        assert client.get(path_of(tile, "m", format)).status_code == 200, "cold tiles"
    assert client.get(path_of(middle(folder / "3.tif"), "m")).status_code == 200, "cold blocks"
    assert catalogue["m"] is old
    (line,) = [r.message for r in caplog.records if "cannot be read at present" in r.message]
    assert line.startswith("m: ")
    assert "new.tif: not complete" in line
    moved(folder / "0.tif", new, 7 * APART_METRES)
    wait_for_replacement(catalogue, "m", old)
    assert client.get(path_of(middle(new), "m")).status_code == 200


def test_a_member_that_is_half_overwritten_takes_its_own_tiles_alone(
    serve: Callable[..., TestClient], folder: Path, tmp_path: Path
) -> None:
    client, member = serve(), folder / "2.tif"
    catalogue, tile = catalogue_of(client), middle(member)
    assert client.get(path_of(tile, "m")).status_code == 200
    whole = Path(shutil.copy(member, tmp_path / "whole.tif"))
    half_copied(whole, member)
    wait_until(lambda: catalogue.failure("m"))
    answer = client.get(path_of(tile, "m", "npy"))
    assert (answer.status_code, answer.json()["detail"]) == (503, SourceUnavailable.text)
    for other in ("0.tif", "1.tif", "3.tif"):
        assert client.get(path_of(middle(folder / other), "m")).status_code == 200
    old = catalogue["m"]
    aged(inverted(whole, tmp_path / "other.tif")).replace(member)
    wait_for_replacement(catalogue, "m", old)
    assert client.get(path_of(tile, "m", "webp")).status_code == 200


def test_a_half_written_list_of_members_leaves_the_last_version_serving(
    serve: Callable[..., TestClient], folder: Path
) -> None:
    listing = mosaic_json(folder / "mosaic.json", [f"{number}.tif" for number in range(6)])
    client = serve(sources={"m": {"path": str(listing)}})
    catalogue, tile = catalogue_of(client), middle(folder / "0.tif")
    assert client.get(path_of(tile, "m")).status_code == 200
    listing.write_text(listing.read_text()[:50])
    wait_until(lambda: catalogue.failure("m"))
    assert client.get(path_of(tile, "m", "npy")).status_code == 200


def test_a_virtual_raster_s_members_are_looked_at_by_their_places(
    serve: Callable[..., TestClient], folder: Path, tmp_path: Path
) -> None:
    one = raster_of(folder, mosaic=True)
    document = folder / "all.vrt"
    document.write_text(one.origin.address.text)
    virtual = raster_of(document)
    assert [part.window for part in virtual.origin.parts] == [
        part.window for part in one.origin.parts[::-1]
    ]
    client = serve(sources={"m": {"path": str(document)}})
    catalogue = catalogue_of(client)
    whole = Path(shutil.copy(folder / "2.tif", tmp_path / "whole.tif"))
    half_copied(whole, folder / "2.tif")
    wait_until(lambda: catalogue.failure("m"))
    statuses = [
        client.get(path_of(middle(tmp_path / name), "m")).status_code
        for name in ("whole.tif", "parts/0.tif", "parts/4.tif")
    ]
    assert statuses == [503, 200, 200]


def test_where_nobody_watches_a_new_member_is_noticed_and_a_half_copied_one_harms_nobody(
    serve: Callable[..., TestClient], folder: Path
) -> None:
    client, new = serve(source_check_seconds=0, open_handles=0), folder / "new.tif"
    catalogue, tile = catalogue_of(client), middle(folder / "0.tif")
    old = catalogue["m"]
    half_copied(folder / "0.tif", new)
    assert client.get(path_of(tile, "m", "webp")).status_code == 200
    assert catalogue["m"] is old
    assert catalogue.failure("m") is not None
    moved(folder / "0.tif", new, 7 * APART_METRES)
    assert client.get(path_of(tile, "m", "jpg")).status_code == 200
    assert catalogue["m"] is not old
    assert client.get(path_of(middle(new), "m")).status_code == 200


@pytest.mark.parametrize("zoom", [NATIVE - 2, NATIVE, NATIVE + 1])
def test_only_the_members_of_a_tile_are_looked_at(
    serve: Callable[..., TestClient],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    zoom: int,
) -> None:
    client, looked, look = serve(source_check_seconds=600), set[str](), LocalFile.signature

    def noted(file: LocalFile) -> Signature:
        looked.update({file.path.name} if file.path.parent == folder else ())
        return look(file)

    native = middle(folder / "2.tif")
    parent = 2.0 ** (zoom - NATIVE)
    tile = Tile(int(native.x * parent), int(native.y * parent), zoom)
    monkeypatch.setattr(LocalFile, "signature", noted)
    assert client.get(path_of(tile, "m")).status_code == 200
    assert looked == {"2.tif"}


def test_of_a_mosaic_only_what_has_changed_is_read_anew(
    serve: Callable[..., TestClient],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, digest = list[str](), LocalFile._digest

    def noted(file: LocalFile) -> str:
        read.extend([file.path.name] if file.path.parent == folder else [])
        return digest(file)

    monkeypatch.setattr(LocalFile, "_digest", noted)
    monkeypatch.setattr(members, "SETTLED_SECONDS", 0)  # no file's time of change can be set back
    catalogue = catalogue_of(serve())
    assert sorted(read) == [f"{number}.tif" for number in range(6)]
    old = catalogue["m"]
    read.clear()
    moved(inverted(folder / "3.tif", tmp_path / "other.tif"), tmp_path / "moved.tif", 0)
    os.replace(tmp_path / "moved.tif", folder / "3.tif")
    wait_for_replacement(catalogue, "m", old)
    assert catalogue["m"].fingerprint != old.fingerprint
    assert set(read) == {"3.tif"}


def test_a_file_that_was_just_written_is_read_every_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    state = path.stat()
    first = LocalFile(path).digest()
    path.write_bytes(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert LocalFile(path).digest() != first, "within one tick of the clock"
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    assert LocalFile(path).digest() == LocalFile(path).digest()


def test_many_files_are_opened_side_by_side() -> None:
    together = Barrier(SIDE_BY_SIDE)

    def work(number: int) -> int:
        together.wait(LIMIT_SECONDS)
        return number

    assert in_threads(work, range(2 * SIDE_BY_SIDE)) == [*range(2 * SIDE_BY_SIDE)]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda number: 1 // number, range(9))
