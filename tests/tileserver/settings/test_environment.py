"""Settings from environment variables: containers need no file, and no secret stands in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import call_overzoom
from tests.support.rasters import cut
from tileserver.errors import StartupError
from tileserver.settings.reading import read_settings


def test_variables_come_before_the_file_and_after_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "overzoom.yaml"
    config.write_text(
        "port: 1\nsteps: 3\nhost: a\ncache: {memory_bytes: 5, disk_bytes: 6}\n"
        "sources: {one: {path: scene.tif, title: One}}"
    )
    environment = {
        "OVERZOOM_PORT": "2",
        "OVERZOOM_STEPS": "4",
        "OVERZOOM_CACHE__MEMORY_BYTES": "7",
        "OVERZOOM_SOURCES": '{"two": {"path": "two.tif", "range": [0, 10]}}',
        "OVERZOOM_SOURCES__ONE__DETAIL": "0.5",
        "PORT": "9",
    }
    settings = read_settings(config, {"port": 3}, environment)
    assert (settings.port, settings.steps, settings.host) == (3, 4, "a")
    assert (settings.cache.memory_bytes, settings.cache.disk_bytes) == (7, 6)
    one, two = settings.sources["one"], settings.sources["two"]
    assert (one.path, one.title, one.detail) == (str(tmp_path / "scene.tif"), "One", 0.5)
    assert (two.path, two.range) == ("two.tif", (0, 10)), "relative to the working folder"


def test_lists_and_mappings_are_json(tmp_path: Path) -> None:
    environment = {
        "OVERZOOM_REMOTE_HOSTS": '["a.example", "b.example"]',
        "OVERZOOM_ACCESS__PUBLIC": '["one"]',
        "OVERZOOM_CACHE": '{"disk_bytes": 1}',
        "OVERZOOM_CACHE__MEMORY_BYTES": "2",
        "OVERZOOM_CACHE__OBJECT_STORE_OPTIONS__REGION": "eu",
    }
    settings = read_settings(None, {}, environment)
    assert settings.remote_hosts == {"a.example", "b.example"}
    assert settings.access.public == ("one",)
    assert (settings.cache.disk_bytes, settings.cache.memory_bytes) == (1, 2)
    assert settings.cache.object_store_options["region"].get_secret_value() == "eu"


def test_a_secret_is_the_content_of_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "redis_url"
    secret.write_text("redis://:word@cache\n")
    name = "OVERZOOM_CACHE__REDIS_URL_FILE"
    found = read_settings(None, {}, {name: str(secret)}).cache.redis_url
    assert found is not None
    assert found.get_secret_value() == "redis://:word@cache"
    secret.unlink()
    with pytest.raises(StartupError, match=rf"^{name}: .*redis_url cannot be read \(No such file"):
        read_settings(None, {}, {name: str(secret)})


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"OVERZOOM_PROT": "80"}, "OVERZOOM_PROT: unknown setting 'prot': did you mean 'port'?"),
        (
            {"OVERZOOM_CACHE__REDIS_URI": "x"},
            "OVERZOOM_CACHE__REDIS_URI: cache: unknown setting 'redis_uri': "
            "did you mean 'redis_url'?",
        ),
        (
            {"OVERZOOM_CACH__REDIS_URL": "x"},
            "OVERZOOM_CACH__REDIS_URL: unknown setting 'cach': did you mean 'cache'?",
        ),
        ({"OVERZOOM_ZZZZ": "x"}, "OVERZOOM_ZZZZ: unknown setting 'zzzz'"),
        ({"OVERZOOM_SOURCES": "{'a'}"}, "OVERZOOM_SOURCES: not JSON ("),
        ({"OVERZOOM_CACHE__OBJECT_STORE_OPTIONS": "{"}, "OPTIONS: not JSON ("),
        ({"OVERZOOM_STEPS": "two"}, "OVERZOOM_STEPS: steps: Input should be a valid integer"),
        (
            {"OVERZOOM_SOURCES": '{"a": {"path": "a.tif", "tittle": "A"}}'},
            "OVERZOOM_SOURCES: sources.a: unknown setting 'tittle': did you mean 'title'?",
        ),
        (
            {"OVERZOOM_CACHE__REDIS_URL": "a", "OVERZOOM_CACHE__REDIS_URL_FILE": __file__},
            "OVERZOOM_CACHE__REDIS_URL_FILE: OVERZOOM_CACHE__REDIS_URL is set as well",
        ),
    ],
)
def test_a_wrong_variable_is_named_in_one_line(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(StartupError) as caught:
        read_settings(None, {}, environment)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_error_holds_a_secret() -> None:
    for environment in (
        {"OVERZOOM_CACHE": '{"redis_url": "hidden'},
        {"OVERZOOM_CACHE__REDIS_URI": "hidden"},
        {"OVERZOOM_CACHE__OBJECT_STORE_OPTIONS": '["hidden"]'},
    ):
        with pytest.raises(StartupError) as caught:
            read_settings(None, {}, environment)
        assert "hidden" not in str(caught.value)


def test_addresses_of_a_neighbour_that_is_called_overzoom_are_no_settings() -> None:
    environment = {
        "OVERZOOM_SERVICE_HOST": "10.0.0.1",
        "OVERZOOM_SERVICE_PORT": "80",
        "OVERZOOM_SERVICE_PORT_HTTP": "80",
        "OVERZOOM_PORT": "tcp://10.0.0.1:80",
        "OVERZOOM_PORT_80_TCP": "tcp://10.0.0.1:80",
        "OVERZOOM_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert read_settings(None, {}, environment) == read_settings(None, {}, {})


def test_commands_read_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = cut(tmp_path / "meadow.tif", "rgb")
    config = tmp_path / "overzoom.yaml"
    config.write_text("extra_zooms: 1")
    monkeypatch.setenv("OVERZOOM_SOURCES__MEADOW__PATH", str(scene))
    monkeypatch.setenv("OVERZOOM_EXTRA_ZOOMS", "2")
    done = call_overzoom("check-config", config)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "meadow: 300 x 300 px" in done.stdout
    assert "imagery 0.20 m to zoom 19, served to 21" in done.stdout
    other = cut(tmp_path / "other.tif", "grey")
    done = call_overzoom("info", other)
    assert done.stdout.count('"served_zooms"') == 1, "the named source alone"
    assert '"id": "other"' in done.stdout
