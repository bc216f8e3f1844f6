"""The probe of a device is measured once, and its result stored for that device."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from cache import DiskStore
from engine.network.checkpoint import Checkpoint, load_checkpoint
from engine.sampling.schedule import Schedule
from engine.sampling.settings import SamplerSettings
from tileserver.app import make_app
from tileserver.catalogue import probing
from tileserver.catalogue.probing import PROBES, windows_agree
from tileserver.settings.server import Settings

SETTINGS = SamplerSettings()


@pytest.fixture(scope="module")
def checkpoint(small_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(small_checkpoint)


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The measurement, counted, in a process that knows nothing yet."""
    measure = Mock(return_value=True)
    monkeypatch.setattr("engine.pictures.probe.windows_agree", measure)
    forget(monkeypatch)
    return measure


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be as a process that starts."""
    monkeypatch.setattr(probing, "_known", {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a disk cache."""
    DiskStore(tmp_path / "cache", 10**6).close()
    return tmp_path / "cache"


@pytest.mark.parametrize("agree", [True, False])
def test_it_is_measured_once_whoever_asks_and_whenever_a_process_starts(
    checkpoint: Checkpoint,
    folder: Path,
    measure: Mock,
    monkeypatch: pytest.MonkeyPatch,
    agree: bool,
) -> None:
    measure.return_value = agree
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(windows_agree, checkpoint, SETTINGS, "cpu", folder) for _ in range(16)]
        assert {answer.result() for answer in asked} == {agree}
    forget(monkeypatch)
    assert windows_agree(checkpoint, replace(SETTINGS, noise_seed=7), "cpu", folder) is agree
    measure.assert_called_once_with(checkpoint, SETTINGS, "cpu")


def test_whatever_may_change_it_is_measured_anew(
    checkpoint: Checkpoint, folder: Path, measure: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(checkpoint: Checkpoint = checkpoint, settings: SamplerSettings = SETTINGS) -> int:
        windows_agree(checkpoint, settings, "cpu", folder)
        return measure.call_count

    assert ask() == 1
    assert ask(replace(checkpoint, fingerprint="another")) == 2
    assert ask(settings=replace(SETTINGS, schedule=Schedule(steps=3))) == 3
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert ask() == 4
    monkeypatch.setattr(torch, "__version__", "99")
    assert ask() == 5
    monkeypatch.setattr(probing, "_processor", lambda: ("another",))
    assert ask() == 6
    assert ask() == 6


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"a": 1}', b'{"a": tru', b"[" * 9999])
def test_a_damaged_file_is_a_miss_and_is_replaced(
    checkpoint: Checkpoint,
    folder: Path,
    measure: Mock,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
) -> None:
    (folder / PROBES).write_bytes(content)
    for _ in range(2):
        assert windows_agree(checkpoint, SETTINGS, "cpu", folder)
        forget(monkeypatch)
    assert measure.call_count == 1


def test_nothing_is_written_where_no_cache_is(
    checkpoint: Checkpoint, tmp_path: Path, measure: Mock
) -> None:
    assert windows_agree(checkpoint, SETTINGS, "cpu", tmp_path)
    assert windows_agree(checkpoint, SETTINGS, "cpu", tmp_path / "missing")
    assert not [*tmp_path.iterdir()]
    assert measure.call_count == 1


def test_a_server_that_starts_again_does_not_measure(
    app_settings: Callable[..., Settings], measure: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        make_app(app_settings())
        forget(monkeypatch)
    assert measure.call_count == 1
    folder = app_settings().cache.disk_folder()
    store = DiskStore(folder, 10**6)
    assert (folder / PROBES).exists()
    assert [*store.keys()] == [], "what is kept beside the tiles is no tile"
