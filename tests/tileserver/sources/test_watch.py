"""Sources whose files are replaced, overwritten, deleted and come back while they are served."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
import rasterio
from starlette.testclient import TestClient

from engine.window import Window
from tests.tileserver.conftest import WEB_MERCATOR, path_of
from tests.tileserver.rasters import cut
from tileserver.app import make_app, open_catalogue
from tileserver.catalogue import Catalogue, Source
from tileserver.errors import SourceUnavailable
from tileserver.settings import Settings

GRID = "WebMercatorQuad"
CHECK_SECONDS = 0.05
LONG_AGO = 10**18

MakeSettings = Callable[..., Settings]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A raster that was written long ago."""
    return aged(cut(tmp_path / "scene.tif", "rgb"))


def aged(path: Path) -> Path:
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


@pytest.fixture
def catalogue(scene: Path) -> Iterator[Catalogue]:
    settings = Settings.model_validate(
        {"sources": {"scene": {"path": str(scene)}}, "source_check_seconds": CHECK_SECONDS}
    )
    catalogue = open_catalogue(settings)
    yield catalogue
    catalogue.close()


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(CHECK_SECONDS / 2)


def up_to_date(catalogue: Catalogue) -> bool:
    return catalogue["scene"].unchanged()


def middle(source: Source) -> Window:
    extent = source.layer(GRID).extent
    return Window(extent.row + 100, extent.col + 100, 32, 32)


def seen(source: Source) -> np.ndarray:
    return source.layer(GRID).bands.read(middle(source))


def test_a_replaced_file_becomes_another_version_without_a_restart(
    catalogue: Catalogue, scene: Path, tmp_path: Path
) -> None:
    old = catalogue["scene"]
    before = seen(old)
    assert old.unchanged()
    os.replace(inverted(scene, tmp_path / "other.tif"), scene)
    assert not old.unchanged(), "seen at once, whenever the next look is"
    eventually(lambda: catalogue["scene"] is not old)
    new = catalogue["scene"]
    assert new.unchanged()
    assert new.fingerprint != old.fingerprint
    np.testing.assert_allclose(seen(new), 1 - before, atol=0.03)


def test_a_file_overwritten_in_place_is_noticed_and_its_blocks_are_read_anew(
    catalogue: Catalogue, scene: Path, tmp_path: Path
) -> None:
    old = catalogue["scene"]
    before = seen(old)
    inode = scene.stat().st_ino
    shutil.copyfile(inverted(scene, tmp_path / "other.tif"), scene)
    assert scene.stat().st_ino == inode
    eventually(lambda: catalogue["scene"].unchanged() and catalogue["scene"] is not old)
    np.testing.assert_allclose(seen(catalogue["scene"]), 1 - before, atol=0.03)


def test_blocks_read_during_a_replacement_are_never_those_of_a_later_version(
    catalogue: Catalogue, scene: Path, tmp_path: Path
) -> None:
    old = catalogue["scene"]
    late = old.layer(GRID)
    before = seen(old)
    os.replace(inverted(scene, tmp_path / "other.tif"), scene)
    eventually(lambda: catalogue["scene"] is not old)
    late.bands.blocks.memo[middle(old).row // 512, middle(old).col // 512] = np.zeros(
        (4, 512, 512), np.float32
    )  # a reader of the old version ends after the replacement
    np.testing.assert_allclose(seen(catalogue["scene"]), 1 - before, atol=0.03)


def test_a_deleted_source_stays_and_recovers_with_whatever_comes_back(
    catalogue: Catalogue, scene: Path, tmp_path: Path
) -> None:
    old = catalogue["scene"]
    other = inverted(scene, tmp_path / "other.tif")
    scene.unlink()
    time.sleep(4 * CHECK_SECONDS)
    assert catalogue["scene"] is old
    assert not old.unchanged()
    with pytest.raises(SourceUnavailable):
        seen(old)
    other.replace(scene)
    eventually(lambda: catalogue["scene"] is not old)
    assert seen(catalogue["scene"]).any()


def test_an_unreadable_file_is_not_taken_for_a_version(catalogue: Catalogue, scene: Path) -> None:
    old = catalogue["scene"]
    before, content = seen(old), scene.read_bytes()
    scene.write_bytes(content[:100])
    time.sleep(4 * CHECK_SECONDS)
    assert catalogue["scene"] is old
    scene.write_bytes(content)
    eventually(partial(up_to_date, catalogue))
    assert catalogue["scene"].fingerprint == old.fingerprint
    assert np.array_equal(seen(catalogue["scene"]), before)


def test_a_change_within_one_tick_of_the_clock_is_noticed(
    catalogue: Catalogue, scene: Path, tmp_path: Path
) -> None:
    """Content, but neither size, inode nor time: as two writes within a tick leave it."""
    other = inverted(scene, tmp_path / "other.tif")
    shutil.copyfile(other, scene)
    eventually(partial(up_to_date, catalogue))
    state, content = scene.stat(), bytearray(scene.read_bytes())
    content[-200:] = bytes(200)
    with scene.open("r+b") as file:
        file.write(content)
    os.utime(scene, ns=(state.st_atime_ns, state.st_mtime_ns))
    middle_version = catalogue["scene"].fingerprint
    eventually(lambda: catalogue["scene"].fingerprint != middle_version)


def inverted(path: Path, to: Path) -> Path:
    """The negative of a raster."""
    with rasterio.open(path) as dataset:
        profile, pixels = dataset.profile, 255 - dataset.read()
    with rasterio.open(to, "w", **profile) as out:
        out.write(pixels)
    return to


@pytest.fixture
def unwatched(scene: Path, app_settings: MakeSettings) -> Iterator[TestClient]:
    """A server of a raster that nobody looks at but those who read it."""
    sources = {"scene": {"path": str(scene)}}
    settings = app_settings(
        sources=sources, source_check_seconds=0, deadline_seconds=10, open_handles=0
    )
    with TestClient(make_app(settings)) as client:
        yield client


def tiles(client: TestClient) -> Iterator[httpx.Response]:
    """Answers of cold tiles, each of another scale or format."""
    document = client.get("/scene/tilejson.json").json()
    lon, lat, zoom = document["center"]
    tile = WEB_MERCATOR.tile(lon, lat, zoom)
    for format in ("png", "webp", "jpg", "npy", "tif"):
        yield client.get(path_of(tile, "scene", format))


def test_a_touched_file_that_nobody_watches_is_served_on(
    unwatched: TestClient, scene: Path
) -> None:
    answers = tiles(unwatched)
    assert next(answers).status_code == 200
    for _ in range(2):
        os.utime(scene)
        answer = next(answers)
        assert answer.status_code == 200
        assert answer.elapsed.total_seconds() < 8
        os.utime(scene, ns=(LONG_AGO, LONG_AGO))
        assert unwatched.get("/scene/info").status_code == 200


def test_a_replaced_file_that_nobody_watches_is_noticed_by_who_reads_it(
    unwatched: TestClient, scene: Path, tmp_path: Path
) -> None:
    before = next(tiles(unwatched)).headers["etag"]
    lon, lat, zoom = unwatched.get("/scene/tilejson.json").json()["center"]
    path = f"/scene/inspect/{lon},{lat}?zoom={zoom}"
    os.replace(inverted(scene, tmp_path / "other.tif"), scene)
    answers = [unwatched.get(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 200], answers[1].text
    assert next(tiles(unwatched)).headers["etag"] != before
