"""Sources whose files are replaced, overwritten, deleted and restored while they are served."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from engine.window import Window
from tests.support.changing import (
    CHECK_SECONDS,
    GRID,
    LONG_AGO,
    aged,
    configured,
    inverted,
    wait_for_replacement,
)
from tests.support.polls import Polls
from tests.support.rasters import cut
from tests.support.tiles import WEB_MERCATOR, path_of
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.app import make_app
from tileserver.assembly import open_catalogue
from tileserver.catalogue import watch
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Source
from tileserver.catalogue.watch import Tracked, Watch, pause_seconds
from tileserver.errors import SourceUnavailable, StartupError, UnknownSource
from tileserver.rasters.raster import Raster
from tileserver.settings.server import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A raster that was written long ago."""
    return aged(cut(tmp_path / "scene.tif", "rgb"))


@pytest.fixture
def catalogue(scene: Path, polls: Polls) -> Iterator[Catalogue]:
    settings = Settings.model_validate(
        {"sources": {"scene": {"path": str(scene)}}, "source_check_seconds": CHECK_SECONDS}
    )
    catalogue = open_catalogue(settings)
    yield catalogue
    catalogue.close()


BACK = [("INFO", "late: is readable again")]


def up_to_date(catalogue: Catalogue) -> bool:
    return catalogue["scene"].is_unchanged()


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
    assert old.is_unchanged()
    os.replace(inverted(scene, tmp_path / "other.tif"), scene)
    assert not old.is_unchanged(), "seen at once, whenever the next look is"
    wait_for_replacement(catalogue, "scene", old)
    new = catalogue["scene"]
    assert new.is_unchanged()
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
    wait_for_replacement(catalogue, "scene", old)
    np.testing.assert_allclose(seen(catalogue["scene"]), 1 - before, atol=0.03)


def test_blocks_read_during_a_replacement_are_never_those_of_a_later_version(
    catalogue: Catalogue, scene: Path, tmp_path: Path
) -> None:
    old = catalogue["scene"]
    late = old.layer(GRID)
    before = seen(old)
    os.replace(inverted(scene, tmp_path / "other.tif"), scene)
    wait_for_replacement(catalogue, "scene", old)
    late.bands.blocks.memo[middle(old).row // 512, middle(old).col // 512] = np.zeros(
        (4, 512, 512), np.float32
    )  # a reader of the old version ends after the replacement
    np.testing.assert_allclose(seen(catalogue["scene"]), 1 - before, atol=0.03)


def test_a_deleted_source_stays_and_recovers_with_whatever_comes_back(
    catalogue: Catalogue, scene: Path, tmp_path: Path, polls: Polls
) -> None:
    old = catalogue["scene"]
    other = inverted(scene, tmp_path / "other.tif")
    scene.unlink()
    polls.wait_for(4)
    assert catalogue["scene"] is old
    assert not old.is_unchanged()
    with pytest.raises(SourceUnavailable):
        seen(old)
    other.replace(scene)
    wait_for_replacement(catalogue, "scene", old)
    assert seen(catalogue["scene"]).any()


def test_an_unreadable_file_is_not_taken_for_a_version(
    catalogue: Catalogue, scene: Path, polls: Polls
) -> None:
    old = catalogue["scene"]
    before, content = seen(old), scene.read_bytes()
    scene.write_bytes(content[:100])
    polls.wait_for(4)
    assert catalogue["scene"] is old
    scene.write_bytes(content)
    wait_until(partial(up_to_date, catalogue))
    assert catalogue["scene"].fingerprint == old.fingerprint
    assert np.array_equal(seen(catalogue["scene"]), before)


def test_a_change_within_one_tick_of_the_clock_is_noticed(
    catalogue: Catalogue, scene: Path, tmp_path: Path
) -> None:
    """Content, but neither size, inode nor time: as two writes within a tick leave it."""
    other = inverted(scene, tmp_path / "other.tif")
    shutil.copyfile(other, scene)
    wait_until(partial(up_to_date, catalogue))
    middle_version = catalogue["scene"].fingerprint
    state, content = scene.stat(), bytearray(scene.read_bytes())
    content[-200:] = bytes(200)
    with scene.open("r+b") as file:
        file.write(content)
    os.utime(scene, ns=(state.st_atime_ns, state.st_mtime_ns))
    wait_until(lambda: catalogue["scene"].fingerprint != middle_version)


def test_a_copy_into_a_file_in_place_is_noticed_though_size_and_time_stay(
    catalogue: Catalogue, scene: Path, polls: Polls
) -> None:
    os.utime(scene, ns=(LONG_AGO, LONG_AGO))
    polls.wait_for(4)
    before = catalogue["scene"].fingerprint
    content = bytearray(scene.read_bytes())
    content[-200:] = bytes(200)
    with scene.open("r+b") as file:
        file.write(content)
    os.utime(scene, ns=(LONG_AGO, LONG_AGO))
    wait_until(lambda: catalogue["scene"].fingerprint != before)


def test_a_source_that_is_missing_at_the_start_is_there_once_it_can_be_read(
    scene: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, polls: Polls
) -> None:
    caplog.set_level(logging.INFO)
    settings = configured(late=tmp_path / "late.tif", scene=scene)
    catalogue = open_catalogue(settings, every=False)
    assert [source.id for source in catalogue.sources()] == ["scene"]
    assert [source.id for source in catalogue.configured()] == ["late", "scene"]
    assert seen(catalogue["scene"]).any()
    (tmp_path / "late.tif").write_text("half a raster")
    polls.wait_for(1, "late")
    with pytest.raises(SourceUnavailable):
        catalogue["late"]
    with pytest.raises(UnknownSource):
        catalogue["never"]
    cut(tmp_path / "new.tif", "rgb").replace(tmp_path / "late.tif")
    wait_until(lambda: len(catalogue.sources()) == 2 and catalogue["late"].is_unchanged())
    assert np.array_equal(seen(catalogue["late"]), seen(catalogue["scene"]))
    assert [source.id for source in catalogue.sources()] == ["late", "scene"]
    catalogue.close()
    ours = (line for line in caplog.records if line.name.startswith("tileserver"))
    said = [(line.levelname, line.getMessage()) for line in ours]
    (level, reason), *rest = said
    assert level == "ERROR"
    assert "late.tif: not a raster" in reason
    # The second line where it was opened in the instant before the renamed file's time was set.
    assert rest in (BACK, [*BACK, ("INFO", "late: has changed")])


def test_a_source_that_came_late_is_found_where_nothing_is_watched(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tileserver.catalogue.opener.ABSENT_SECONDS", CHECK_SECONDS)
    late = tmp_path / "late.tif"
    catalogue = open_catalogue(configured(check_seconds=0, late=late, scene=scene), every=False)
    aged(Path(shutil.copy(scene, tmp_path / "aside.tif"))).rename(late)  # never half there
    wait_until(lambda: len(catalogue.sources()) == 2)
    catalogue.close()


def test_a_source_that_came_late_is_followed_like_any_other(scene: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.tif"
    catalogue = open_catalogue(configured(late=late, scene=scene), every=False)
    aged(Path(shutil.copy(scene, tmp_path / "aside.tif"))).rename(late)  # never half there
    wait_until(lambda: len(catalogue.sources()) == 2 and catalogue["late"].is_unchanged())
    first = catalogue["late"]
    before = seen(first)
    os.replace(inverted(scene, tmp_path / "other.tif"), late)
    new = wait_for_replacement(catalogue, "late", first)
    np.testing.assert_allclose(seen(new), 1 - before, atol=0.03)
    catalogue.close()


def test_where_no_source_can_be_read_the_first_says_why(tmp_path: Path) -> None:
    settings = configured(one=tmp_path / "one.tif", two=tmp_path / "two.tif")
    with pytest.raises(StartupError, match=r"one\.tif: not a raster"):
        open_catalogue(settings, every=False)
    open_catalogue(configured(), every=False).close()


def test_a_catalogue_that_nobody_holds_any_more_is_watched_no_more(scene: Path) -> None:
    before = set(threading.enumerate())
    catalogue = open_catalogue(configured(scene=scene))
    started = set(threading.enumerate()) - before
    assert any(thread.name == "watch" for thread in started)
    del catalogue
    gc.collect()
    wait_until(lambda: not any(thread.is_alive() for thread in started))


def test_commands_want_every_source(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"gone\.tif: not a raster"):
        open_catalogue(configured(scene=scene, gone=tmp_path / "gone.tif"))


@pytest.fixture
def unwatched(scene: Path, app_settings: MakeSettings) -> Iterator[TestClient]:
    """A server of a raster that nobody looks at but those who read it."""
    sources = {"scene": {"path": str(scene)}}
    settings = app_settings(sources=sources, source_check_seconds=0, open_handles=0)
    with TestClient(make_app(settings)) as client:
        yield client


def tiles(client: TestClient) -> Iterator[Any]:
    """Answers of cold tiles, each in another format; a PNG would serve the others."""
    document = client.get("/scene/tilejson.json").json()
    lon, lat, zoom = document["center"]
    tile = WEB_MERCATOR.tile(lon, lat, zoom)
    for format in ("webp", "jpg", "avif", "npy", "tif"):
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


class Followed:
    """What is followed without a file: its looks fail until it hangs, or all the time."""

    def __init__(self, name: str, hang: threading.Event | None = None) -> None:
        self.looks, self._hang = 0, hang
        self.tracked = Tracked(name, self._inspect, self._make)

    def _inspect(self) -> Raster:
        self.looks += 1
        if self._hang is not None and self.looks > 1:
            self._hang.wait(LIMIT_SECONDS)
        raise OSError("away")

    def _make(self, raster: Raster, generation: int) -> Source:
        raise AssertionError("there is nothing to read")


def test_looks_that_hang_hold_up_no_other_and_none_waits_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(watch, "DOUBLINGS", 0)
    gate = threading.Event()
    stuck = [Followed(f"stuck {number}", gate) for number in range(2 * watch.POLLING_THREADS)]
    good = Followed("good")
    items = [each.tracked for each in (*stuck, good)]
    watching = Watch(items, lambda _: 0.01)
    wait_until(lambda: watching.slow == len(stuck))
    before = good.looks
    wait_until(lambda: good.looks > before + 10)
    assert [each.looks for each in stuck] == [2] * len(stuck), "the first one was at the start"
    gate.set()
    wait_until(lambda: not watching.slow)
    watching.close()


def test_what_cannot_be_read_is_looked_at_ever_more_rarely(scene: Path) -> None:
    away = Followed("away").tracked
    pauses = []
    for _ in range(6):
        pauses.append(pause_seconds(2, away.failures))
        away.poll()
    assert pauses == [4, 8, 16, 32, 60, 60]
    assert pause_seconds(600, 9) == 600
    assert pause_seconds(2, 10**6) == 60
    assert pause_seconds(0, 3) == inf
    catalogue = open_catalogue(configured(scene=scene))
    tracked = catalogue._tracked["scene"]
    content = scene.read_bytes()
    scene.unlink()
    wait_until(lambda: tracked.failures >= 2)
    scene.write_bytes(content)
    wait_until(lambda: tracked.failures == 0)
    catalogue.close()
