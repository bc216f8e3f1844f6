"""Where settings come from, which comes first, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tileserver.errors import InvalidSettings, StartupError
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings


def test_settings_come_from_the_file_and_then_from_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text(
        "steps: 2\ncache: {memory_bytes: 5}\nsources: {one: {path: scene.tif, range: [0, 10]}}"
    )
    settings = read_settings(config, {"port": 9, "cache": {"folder": "elsewhere"}})
    assert (settings.steps, settings.port) == (2, 9)
    assert settings.cache.memory_bytes == 5
    assert settings.cache.disk_folder() == Path("elsewhere")
    assert settings.sources["one"].path == str(tmp_path / "scene.tif")
    assert settings.sources["one"].range == (0, 10)


def test_a_source_s_date_may_be_written_as_yaml_reads_it(tmp_path: Path) -> None:
    config = tmp_path / "overzoom.yaml"
    for written, read in {
        "2019": "2019",
        "2019-07-01": "2019-07-01",
        "May 2019": "May 2019",
    }.items():
        config.write_text(f"sources: {{one: {{path: scene.tif, date: {written}}}}}")
        assert read_settings(config, {}).sources["one"].date == read


def test_paths_in_a_configuration_are_relative_to_its_file(tmp_path: Path) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text(
        "checkpoint: my.safetensors\ncache: {folder: tiles}\nsources: {one: {path: scene.tif}}"
    )
    settings = read_settings(config, {})
    assert settings.checkpoint == tmp_path / "my.safetensors"
    assert settings.cache.disk_folder() == tmp_path / "tiles"
    config.write_text("checkpoint: compact")  # a bundled one
    assert read_settings(config, {}).checkpoint == Path("compact")
    (tmp_path / "compact").touch()
    assert read_settings(config, {}).checkpoint == tmp_path / "compact"
    config.write_text("cache: {folder: /var/cache/overzoom}")
    assert read_settings(config, {}).cache.disk_folder() == Path("/var/cache/overzoom")
    config.write_text("cache: 5")
    with pytest.raises(StartupError, match="cache: Input should be"):
        read_settings(config, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"steps": 0},
        {"sources": {"a/b": {"path": "x"}}},
        {"sources": {"viewer": {"path": "x"}}},
        {"unknown": 1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(StartupError, match="options: "):
        read_settings(None, wrong)


def test_the_disk_cache_lies_in_the_users_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings().cache.disk_folder() == tmp_path / "overzoom"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().cache.disk_folder() == tmp_path / ".cache" / "overzoom"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tittle: x", "unknown setting 'tittle'"),
        (
            "sources: {one: {path: a.tif, tittle: x}}",
            "sources.one: unknown setting 'tittle': did you mean 'title'?",
        ),
        ("prot: 80", "unknown setting 'prot': did you mean 'port'?"),
        ("cache: {redis_uri: x}", "cache: unknown setting 'redis_uri': did you mean 'redis_url'?"),
        (
            "sources: {one: {upstream: {url: 'https://a/{z}/{x}/{y}', maxzoom: 3, minzom: 1}}}",
            "sources.one.upstream: unknown setting 'minzom': did you mean 'minzoom'?",
        ),
        (
            "access: {keys: {town: {sha265: x}}}",
            "access.keys.town: unknown setting 'sha265': did you mean 'sha256'?",
        ),
        ("fusion: sdvc", "unknown setting 'fusion'"),
        (
            "sources: {viewer: {path: a.tif}}",
            "sources.viewer: 'viewer' is a page of the server: give that source another id",
        ),
        ("sources: {one: {}}", "sources.one: set either path or upstream, one of the two"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_what_was_meant(
    tmp_path: Path, text: str, reason: str
) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text(text)
    with pytest.raises(InvalidSettings) as caught:
        read_settings(config, {})
    assert f"{config}: {reason}" in caught.value.reasons


def test_a_wrong_setting_is_looked_for_where_it_was_set(tmp_path: Path) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text("port: 1\nsteps: 0\ncache: {memory_bytes: 1}")
    with pytest.raises(InvalidSettings) as caught:
        read_settings(
            config,
            {"port": 70_000},
            {"OVERZOOM_CACHE__MEMORY_BYTES": "-1", "OVERZOOM_PORT": "80"},
        )
    places = [reason.split(": Input should be")[0] for reason in caught.value.reasons]
    assert sorted(places) == sorted(
        [
            "options: port",
            f"{config}: steps",
            "OVERZOOM_CACHE__MEMORY_BYTES: cache.memory_bytes",
        ]
    )
