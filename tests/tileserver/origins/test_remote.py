"""Rasters on a real HTTP server and a real S3 store: read, replaced, slow and dead."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import numpy as np
import obstore
import pytest
import rasterio
from affine import Affine
from obstore.store import S3Store

from tests.support.changing import inverted, wait_for_replacement
from tests.support.members import bands_of, mosaic_json, quarters, raster_of
from tests.support.polls import Polls
from tests.support.rasters import SMALL_SIDE, cut
from tests.support.services import free_port
from tests.support.stores import FileServer, file_server
from tests.support.waiting import LIMIT_SECONDS, wait_until
from tileserver.assembly import open_catalogue
from tileserver.catalogue.catalogue import Catalogue
from tileserver.errors import SourceUnavailable, StartupError
from tileserver.origins import remote
from tileserver.rasters.locating import inspect_source, locate
from tileserver.rasters.raster import Raster
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileServer]:
    folder = tmp_path / "store"
    folder.mkdir()
    cut(folder / "scene.tif", "mask")
    with file_server(folder, tmp_path / "control") as server:
        yield server


@contextmanager
def impatience() -> Iterator[None]:
    """Timeouts of a second, so that the tests need not wait for the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(remote._GDAL, "GDAL_HTTP_TIMEOUT", "1")
        patch.setitem(remote._GDAL, "GDAL_HTTP_MAX_RETRY", "0")
        patch.setattr(remote, "HEAD_TIMEOUT", httpx.Timeout(1))
        yield


def at(url: str, *hosts: str) -> Raster:
    source = SourceSettings.model_validate({"path": url})
    return inspect_source(source, frozenset(hosts))


def watched(url: str, host: str) -> Catalogue:
    return open_catalogue(
        Settings.model_validate(
            {
                "sources": {"scene": {"path": url}},
                "remote_hosts": [host],
                "remote_check_seconds": 0.1,
            }
        )
    )


def test_a_remote_raster_whose_rows_run_to_the_north_is_followed_too(
    store: FileServer, tmp_path: Path
) -> None:
    path = store.folder / "scene.tif"
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = dataset.transform * Affine.translation(0, 300) * Affine.scale(1, -1)
    local, extent = bands_of(raster_of(path))
    catalogue = watched(f"{store.url}/scene.tif", store.host)
    before = catalogue["scene"]
    bands, _ = bands_of(before.raster)
    assert before.raster.address.driver == "VRT"
    assert np.array_equal(bands.read(extent), local.read(extent))
    assert np.array_equal(bands.valid(extent), local.valid(extent))
    assert {asked for _, asked, _ in store.asked} == {"/scene.tif"}
    assert all(asked for method, _, asked in store.asked if method == "GET")
    inverted(path, tmp_path / "scene.tif").replace(path)
    wait_for_replacement(catalogue, "scene", before)
    changed, _ = bands_of(catalogue["scene"].raster)
    assert np.array_equal(changed.read(extent), bands_of(raster_of(path))[0].read(extent))
    catalogue.close()


def test_a_remote_raster_equals_the_local_one_and_is_read_by_ranges(store: FileServer) -> None:
    local, extent = bands_of(raster_of(store.folder / "scene.tif"))
    bands, _ = bands_of(at(f"{store.url}/scene.tif", store.host))
    assert np.array_equal(bands.read(extent), local.read(extent))
    assert np.array_equal(bands.valid(extent), local.valid(extent))
    assert {path for _, path, _ in store.asked} == {"/scene.tif"}, "nothing beside it is asked for"
    assert all(asked for method, _, asked in store.asked if method == "GET")


@pytest.mark.parametrize("hosts", [(), ("localhost",), ("example.org",)])
def test_only_hosts_on_the_list_are_asked(store: FileServer, hosts: tuple[str, ...]) -> None:
    with pytest.raises(StartupError, match="not in remote_hosts"):
        at(f"{store.url}/scene.tif", *hosts)
    with pytest.raises(StartupError, match="no user name"):
        at(f"http://example.org@{store.host}/scene.tif", "example.org", store.host)
    assert not store.asked


def test_a_mosaic_of_remote_members_asks_allowed_hosts_only(
    store: FileServer, tmp_path: Path
) -> None:
    scene = cut(store.folder / "scene.tif", "mask", SMALL_SIDE)  # which the quarters cover
    paths = quarters(scene, store.folder / "parts")
    names = [f"{store.url}/parts/{path.name}" for path in paths]
    path = mosaic_json(tmp_path / "mosaic.json", names)
    with pytest.raises(StartupError, match="not in remote_hosts"):
        raster_of(path)
    source = SourceSettings.model_validate({"path": str(path)})
    bands, extent = bands_of(inspect_source(source, frozenset({store.host})))
    local, _ = bands_of(raster_of(scene))
    assert np.array_equal(bands.read(extent), local.read(extent))


def test_remote_members_are_described_again_only_where_they_have_changed(
    store: FileServer, tmp_path: Path
) -> None:
    scene = cut(store.folder / "scene.tif", "mask", SMALL_SIDE)
    paths = quarters(scene, store.folder / "parts")
    listing = mosaic_json(tmp_path / "m.json", [f"{store.url}/parts/{p.name}" for p in paths])
    source = SourceSettings.model_validate({"path": str(listing)})
    first = locate(source, frozenset({store.host}))
    asked = len(store.asked)
    assert locate(source, frozenset({store.host})) == first
    assert {method for method, _, _ in store.asked[asked:]} == {"HEAD"}
    with rasterio.open(paths[1], "r+") as dataset:
        dataset.transform = dataset.transform * Affine.translation(8, 0)
    asked = len(store.asked)
    assert locate(source, frozenset({store.host})) != first
    read = {path for method, path, _ in store.asked[asked:] if method == "GET"}
    assert read == {f"/parts/{paths[1].name}"}


def test_a_replaced_remote_raster_is_another_version(store: FileServer, tmp_path: Path) -> None:
    catalogue = watched(f"{store.url}/scene.tif", store.host)
    old = catalogue["scene"]
    extent = old.layer("WebMercatorQuad").extent.dilated(-40)
    assert old.layer("WebMercatorQuad").bands.read(extent).any()
    assert old.is_unchanged()
    asked = len(store.asked)
    assert old.is_unchanged()
    assert not any(method == "GET" for method, _, _ in store.asked[asked:]), "no network for it"
    path = store.folder / "scene.tif"
    inverted(path, tmp_path / "other.tif").replace(path)
    wait_for_replacement(catalogue, "scene", old)
    new = catalogue["scene"]
    assert new.fingerprint != old.fingerprint
    local, _ = bands_of(raster_of(path))
    assert np.array_equal(new.layer("WebMercatorQuad").bands.read(extent), local.read(extent))
    catalogue.close()


def test_a_signature_is_no_part_of_a_fingerprint() -> None:
    def digest(query: str) -> str:
        look = ('"tag"', None, "1000")
        return remote.RemoteFile(f"https://example.org/scene.tif{query}", [look]).digest()

    prints = {
        digest(query)
        for query in (
            "",
            "?X-Amz-Signature=one&X-Amz-Date=now&X-Amz-Credential=me",
            "?se=2030-01-01&sp=r&sv=2024&sr=b&sig=two%3D",
            "?token=three",
        )
    }
    assert len(prints) == 1
    assert digest("?layer=2") not in prints


def test_a_host_that_knows_no_ranges_does_not_send_the_raster_for_a_look() -> None:
    sent, wanted = [0], 64 * 2**20

    class Stubborn(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(405)

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(wanted))
            self.send_header("ETag", '"one"')
            self.end_headers()
            with suppress(OSError):
                while sent[0] < wanted:
                    sent[0] += self.wfile.write(bytes(2**16))

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stubborn) as listener:
        thread = Thread(target=listener.serve_forever)
        thread.start()
        look = remote.RemoteFile(f"http://127.0.0.1:{listener.server_port}/scene.tif").signature()
        listener.shutdown()
        thread.join()
    assert look == ('"one"', None, str(wanted))
    assert sent[0] < wanted / 2


@pytest.mark.slow
def test_a_server_that_is_slow_or_fails_costs_its_timeout_and_recovers(store: FileServer) -> None:
    raster = at(f"{store.url}/scene.tif", store.host)
    # A read that waited for an answer would wait longer than any test may take.
    for delay_seconds, status in ((10 * LIMIT_SECONDS, None), (0, 500), (0, 404)):
        bands, extent = bands_of(raster)
        store.fault(delay_seconds, status)
        with impatience(), pytest.raises(SourceUnavailable):
            bands.read(extent)
        store.fault()
        assert bands.read(extent).any(), "nothing of the failure is remembered"


def test_a_dead_server_leaves_the_source_as_it_was(tmp_path: Path, polls: Polls) -> None:
    cut(tmp_path / "scene.tif", "rgb")
    with file_server(tmp_path, tmp_path / "control") as store:
        catalogue = watched(f"{store.url}/scene.tif", store.host)
        old = catalogue["scene"]
    polls.wait_for(2)
    assert catalogue["scene"] is old
    layer = old.layer("WebMercatorQuad")
    with impatience(), pytest.raises(SourceUnavailable):
        layer.bands.read(layer.extent)
    catalogue.close()


def test_a_store_that_is_away_at_the_start_is_asked_again(
    store: FileServer, tmp_path: Path
) -> None:
    url, near = f"{store.url}/scene.tif", str(cut(tmp_path / "near.tif", "rgb"))
    values = {
        "sources": {"scene": {"path": url}, "near": {"path": near}},
        "remote_hosts": [store.host],
        "source_check_seconds": 0,
        "remote_check_seconds": 0.1,
    }
    store.fault(status=500)
    catalogue = open_catalogue(Settings.model_validate(values), every=False)
    with pytest.raises(SourceUnavailable):
        catalogue["scene"]
    store.fault()
    wait_until(lambda: len(catalogue.sources()) == 2)
    layer = catalogue["scene"].layer("WebMercatorQuad")
    assert layer.bands.valid(layer.extent).any()
    catalogue.close()


def test_a_redirect_is_refused_at_start_up(store: FileServer, tmp_path: Path) -> None:
    with file_server(store.folder, tmp_path / "elsewhere") as elsewhere:
        store.fault(location=elsewhere.url)
        with pytest.raises(StartupError, match="redirects elsewhere"):
            at(f"{store.url}/scene.tif", store.host)
        assert not elsewhere.asked


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Store]:
    """A bucket in moto's server, a process of its own, named to GDAL and obstore alike."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port)
            url = f"http://127.0.0.1:{port}"
            httpx.put(f"{url}/imagery").raise_for_status()
            for name, value in {
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": url,  # obstore's
                "AWS_S3_ENDPOINT": f"127.0.0.1:{port}",  # GDAL's
                "AWS_HTTPS": "NO",
                "AWS_VIRTUAL_HOSTING": "FALSE",
                "AWS_EC2_METADATA_DISABLED": "true",
            }.items():
                monkeypatch.setenv(name, value)
            yield S3Store("imagery", client_options={"allow_http": True})
        finally:
            process.terminate()
            process.wait(LIMIT_SECONDS)


def _wait_for(port: int) -> None:
    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(answers, "the store did not start")


@pytest.mark.slow
def test_a_raster_in_s3_is_served_and_its_replacement_noticed(
    bucket: S3Store, tmp_path: Path
) -> None:
    path = cut(tmp_path / "scene.tif", "mask")
    obstore.put(bucket, "2026/scene.tif", path)
    with pytest.raises(StartupError, match="imagery: not in remote_hosts"):
        at("s3://imagery/2026/scene.tif")
    catalogue = watched("s3://imagery/2026/scene.tif", "imagery")
    old = catalogue["scene"]
    extent = old.layer("WebMercatorQuad").extent
    local, _ = bands_of(raster_of(path))
    assert np.array_equal(old.layer("WebMercatorQuad").bands.read(extent), local.read(extent))
    obstore.put(bucket, "2026/scene.tif", inverted(path, tmp_path / "other.tif"))
    wait_for_replacement(catalogue, "scene", old)
    after, _ = bands_of(raster_of(tmp_path / "other.tif"))
    new = catalogue["scene"].layer("WebMercatorQuad")
    assert np.array_equal(new.bands.read(extent), after.read(extent))
    with pytest.raises(StartupError, match="is not there"):
        at("s3://imagery/2026/missing.tif", "imagery")
    catalogue.close()
