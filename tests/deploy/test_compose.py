"""compose.yaml: its variables are settings, its files exist, its limits agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tileserver.process.server import CLOSING_SECONDS
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVERS = ("server-1", "server-2")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file, with every variable at its default."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (DEPLOY / "compose.yaml").read_text())
    assert "${" not in text
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def settings_of(service: dict[str, Any]) -> Settings:
    """The settings of a server, of the file that is mounted and of its variables."""
    variables = {k: v for k, v in service["environment"].items() if k.startswith("OVERZOOM_")}
    mounted = {to: at for at, to, *_ in (each.split(":") for each in service["volumes"])}
    return read_settings(DEPLOY / mounted["/etc/overzoom"] / "overzoom.yaml", {}, variables)


def test_servers_share_redis_and_trust_the_network_of_nginx(compose: dict[str, Any]) -> None:
    (network,) = compose["networks"]["default"]["ipam"]["config"]
    for name in SERVERS:
        settings = settings_of(compose["services"][name])
        assert settings.cache.redis_url is not None
        assert settings.cache.redis_url.get_secret_value().startswith("redis://redis:6379")
        assert list(settings.access.trusted_proxies) == [network["subnet"]]


def test_threads_are_cpus_and_the_grace_period_outlasts_the_shutdown(
    compose: dict[str, Any],
) -> None:
    for name in SERVERS:
        service = compose["services"][name]
        settings = settings_of(service)
        variables = service["environment"]
        assert service["cpus"] == str(settings.threads) == variables["OMP_NUM_THREADS"]
        ends = settings.operation.drain_seconds + settings.operation.shutdown_seconds
        assert int(service["stop_grace_period"].rstrip("s")) > ends + CLOSING_SECONDS
        caches = settings.cache.memory_bytes + settings.block_memory_bytes
        assert int(service["mem_limit"].rstrip("g")) << 30 > 2 * caches


def test_no_service_has_rights_or_a_writable_root(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_named_services_volumes_and_files_exist(compose: dict[str, Any]) -> None:
    folders = set()
    for service in compose["services"].values():
        assert {*service.get("depends_on", ())} <= {*compose["services"]}
        for volume in service.get("volumes", ()):
            name = volume.split(":")[0]
            assert (DEPLOY / name).exists() if "/" in name else name in compose["volumes"]
        folders |= {each for each in service.get("volumes", ()) if "/var/cache" in each}
    assert len(folders) == 3, "nobody shares a cache folder"
    build = compose["services"]["server-1"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_nginx_knows_every_server_by_its_name(compose: dict[str, Any]) -> None:
    named = re.findall(r"server ([\w-]+):8000;", (DEPLOY / "compose-upstream.conf").read_text())
    assert named == [name for name in compose["services"] if name.startswith("server")]
    assert named == list(SERVERS)
