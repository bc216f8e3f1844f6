"""`overzoom serve`: what it prints, its port, its sources; called in this process."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import call_overzoom
from tests.support.rasters import SCENE, cut
from tileserver.process.listening import close_all, listen, url_of

Serve = Callable[..., tuple[list[str], Any]]


@pytest.fixture
def serve(tmp_path: Path, browser: Path) -> Serve:
    """Serves until its browser has read /sources.json: the lines that it prints, and these."""

    def call(*arguments: object) -> tuple[list[str], Any]:
        done = call_overzoom(
            "serve", *arguments, "--open", "--port", 0, "--cache-dir", tmp_path / "cache"
        )
        assert done.exit_code == 0, done.stderr
        return done.stdout.splitlines(), json.loads(browser.read_text())

    return call


def test_it_prints_where_sources_and_cache_are_and_opens_a_browser(
    serve: Serve, tmp_path: Path, small_checkpoint: Path
) -> None:
    meadow = cut(tmp_path / "a meadow.tif", "rgb")
    lines, seen = serve(SCENE, meadow, "--checkpoint", small_checkpoint)
    assert [one["id"] for one in seen] == ["yellowstone_20cm", "a-meadow"]
    url = re.fullmatch(r"Overzoom \S+: open (http://127\.0\.0\.1:\d+)/ in a browser .*", lines[0])
    assert url is not None
    assert lines[1:] == [
        f"  yellowstone_20cm  {url[1]}/yellowstone_20cm/{{z}}/{{x}}/{{y}}.webp",
        f"  a-meadow          {url[1]}/a-meadow/{{z}}/{{x}}/{{y}}.webp",
        "  checkpoint  small",
        "  device      cpu",
        f"  cache       disk: {tmp_path / 'cache'}",
    ]


def test_bad_files_of_a_folder_stop_nothing(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "rasters"
    (folder / "folder.tif").mkdir(parents=True)
    cut(folder / "meadow.tif", "rgb")
    (folder / "empty.png").write_bytes(b"")
    (folder / "gone.tif").symlink_to(tmp_path / "nowhere.tif")
    (folder / "half.tif").write_bytes((folder / "meadow.tif").read_bytes()[:9000])
    (folder / "text.tif").write_text("no raster")
    lines, seen = serve(folder)
    assert "meadow" in [one["id"] for one in seen]
    sources = [line.split()[0] for line in lines[1:-3]]
    assert sources == ["empty", "gone", "half", "meadow", "text"]
    for id in ("empty", "gone", "text"):
        assert any(re.match(rf"  {id} +cannot be read at present", line) for line in lines)


def test_a_folder_is_one_source_as_a_mosaic(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "my rasters"
    folder.mkdir()
    cut(folder / "one.tif", "rgb")
    cut(folder / "two.tif", "rgb")
    _, seen = serve(folder, "--mosaic")
    assert [one["id"] for one in seen] == ["my-rasters"]
    assert seen[0]["title"] == "my rasters"


def test_more_sources_than_a_screen_has_lines_are_counted(serve: Serve, tmp_path: Path) -> None:
    meadow, folder = cut(tmp_path / "meadow.tif", "rgb"), tmp_path / "rasters"
    folder.mkdir()
    for number in range(14):
        (folder / f"{number:02}.tif").hardlink_to(meadow)
    lines, seen = serve(folder)
    assert len(seen) == 14
    assert sum("{z}/{x}/{y}" in line for line in lines) == 12
    assert re.fullmatch(r"  and 2 more: http://\S+/sources\.json", lines[13])


def test_a_busy_port_is_told_in_one_line_before_anything_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = call_overzoom("serve", SCENE, "--port", port, "--cache-dir", tmp_path / "cache")
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"overzoom: 127.0.0.1:{port} is in use")
    assert not (tmp_path / "cache").exists()


def test_mosaics_are_of_folders(tmp_path: Path) -> None:
    done = call_overzoom("serve", SCENE, "--mosaic", "--cache-dir", tmp_path)
    assert done.exit_code == 2
    assert "--mosaic: name a folder" in done.stderr


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("localhost", "localhost")],
)
def test_the_url_is_one_that_a_browser_opens(host: str, shown: str) -> None:
    sockets = listen(host, 0)
    try:
        assert len({one.getsockname()[1] for one in sockets}) == 1
        assert url_of(host, sockets) == f"http://{shown}:{sockets[0].getsockname()[1]}"
    finally:
        close_all(sockets)
