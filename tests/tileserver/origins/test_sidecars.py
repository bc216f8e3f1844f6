"""Sidecars: read with their raster, part of its version, never leading to other files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from tests.support.changing import GRID, aged, configured, wait_for_replacement
from tests.support.commands import call_overzoom
from tests.support.members import bands_of, mosaic_json, quarters, raster_of
from tests.support.rasters import SCENE, cut
from tests.support.stores import file_server
from tests.support.waiting import wait_until
from tileserver.assembly import open_catalogue
from tileserver.errors import StartupError
from tileserver.origins import members
from tileserver.origins.members import LocalFile
from tileserver.rasters.inspection import inspect, inspect_origin
from tileserver.rasters.locating import inspect_source, locate
from tileserver.settings.sources import SourceSettings

ELSEWHERE = f"""<VRTDataset rasterXSize="150" rasterYSize="150">
<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>{SCENE}</SourceFilename>
</SimpleSource></VRTRasterBand></VRTDataset>"""
STATISTICS = """<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MAXIMUM">{most}
</MDI><MDI key="STATISTICS_MINIMUM">100</MDI></Metadata></PAMRasterBand></PAMDataset>"""


pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")  # of masks


def with_overviews(path: Path) -> Path:
    with (
        rasterio.Env(TIFF_USE_OVR=True),
        rasterio.open(path, "r+") as dataset,
    ):
        dataset.build_overviews([2, 4])
    assert path.with_name(f"{path.name}.ovr").exists()
    return path


def with_mask(path: Path, valid: int = 0) -> Path:
    """The raster with a mask that hides its northern half, or whatever rows follow."""
    with rasterio.open(path) as dataset:
        mask = np.full(dataset.shape, 255, np.uint8)
    mask[: len(mask) // 2] = valid
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    assert path.with_name(f"{path.name}.msk").exists()
    return path


def described(path: Path) -> dict[str, object]:
    """What `overzoom info` says."""
    done = call_overzoom("info", path)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_overviews_beside_a_raster_are_its_own(tmp_path: Path) -> None:
    assert described(with_overviews(cut(tmp_path / "scene.tif", "rgb")))["overviews"] == [2, 4]


def test_statistics_beside_a_raster_are_its_range(tmp_path: Path) -> None:
    grey = tmp_path / "grey.tif"
    with rasterio.open(cut(tmp_path / "cut.tif", "uint16")) as dataset:
        profile, pixels = dataset.profile | {"count": 1}, dataset.read([1])
    profile["photometric"] = "minisblack"
    with rasterio.open(grey, "w", **profile) as out:
        out.write(pixels)
    (tmp_path / "grey.tif.aux.xml").write_text(STATISTICS.format(most=9000))
    assert described(grey)["range"] == [100, 9000]


def test_a_png_that_was_made_by_upscale_can_be_served(tmp_path: Path) -> None:
    with rasterio.open(cut(tmp_path / "scene.tif", "rgb")) as dataset:
        profile = dataset.profile | {"height": 64, "width": 64}
        with rasterio.open(tmp_path / "small.tif", "w", **profile) as out:
            out.write(dataset.read(window=((0, 64), (0, 64))))
    done = call_overzoom("upscale", tmp_path / "small.tif", tmp_path / "fine.png")
    assert done.exit_code == 0, done.output
    (small, fine) = (described(tmp_path / name) for name in ("small.tif", "fine.png"))
    assert fine["width"] == 128
    assert fine["crs"] == small["crs"]
    assert fine["bounds"] == pytest.approx(small["bounds"], abs=1e-9)


@pytest.mark.parametrize("overviews", [False, True])
def test_a_mask_beside_a_raster_hides_its_pixels_at_every_zoom(
    tmp_path: Path, overviews: bool
) -> None:
    path = cut(tmp_path / "scene.tif", "rgb")
    path = with_mask(with_overviews(path) if overviews else path)
    catalogue = open_catalogue(configured(scene=path))
    layer = catalogue["scene"].layer(GRID)
    assert layer.bands.valid(layer.extent).mean() == pytest.approx(0.5, abs=0.02)
    for zoom in (18, 17):
        window = layer.extent.parent(2 ** (layer.native_zoom + 1 - zoom))
        rows = layer.read(zoom, window)[1].mean(axis=1)
        assert rows[: len(rows) // 2 - 2].max() == 0
        assert rows[len(rows) // 2 + 2 : -2].min() > 0.9
    catalogue.close()


def test_masks_beside_the_members_of_a_mosaic_are_theirs(tmp_path: Path) -> None:
    paths = quarters(cut(tmp_path / "whole.tif", "rgb"), tmp_path / "parts")
    plain = raster_of(tmp_path / "parts", mosaic=True)
    with_mask(paths[2])
    masked = raster_of(tmp_path / "parts", mosaic=True)
    assert masked.fingerprint != plain.fingerprint
    assert not plain.is_unchanged()
    bands, extent = bands_of(masked)
    valid = bands.valid(extent)
    row = round(extent.height * 0.62)  # below the quarter above, in the hidden half
    assert not valid[row, extent.width // 10]
    assert valid[row, extent.width * 9 // 10]


def test_a_raster_with_nothing_beside_it_keeps_its_fingerprint(tmp_path: Path) -> None:
    path = cut(tmp_path / "scene.tif", "rgb")
    (tmp_path / "other.tif.ovr").write_text("another's")
    (tmp_path / "scene.txt").write_text("no picture's")
    assert inspect(path, None).fingerprint == LocalFile(path).digest()


def a_tfw(path: Path) -> None:
    path.with_suffix(".tfw").write_text("0.2\n0\n0\n-0.2\n500000\n4900000\n")


def an_upper_case_tfw(path: Path) -> None:
    path.with_suffix(".TFW").write_text("0.2\n0\n0\n-0.2\n500000\n4900000\n")


def remarks(path: Path) -> None:
    path.with_name(f"{path.name}.aux.xml").write_text(STATISTICS.format(most=200))


def overviews_of_a_mask(path: Path) -> None:
    with_mask(path)
    with_overviews(path.with_name(f"{path.name}.msk"))


@pytest.mark.parametrize(
    "add",
    [with_overviews, with_mask, overviews_of_a_mask, remarks, a_tfw, an_upper_case_tfw],
)
def test_whatever_is_laid_beside_a_raster_is_another_version_of_it(
    tmp_path: Path, add: Callable[[Path], object]
) -> None:
    path = aged(cut(tmp_path / "scene.tif", "rgb"))
    plain, content = inspect(path, None), path.read_bytes()
    add(path)
    path.write_bytes(content)  # GDAL may have touched it
    aged(path)
    assert not plain.is_unchanged()
    more = inspect(path, None)
    assert more.is_unchanged()
    assert more.fingerprint != plain.fingerprint
    beside = sorted(file for file in tmp_path.iterdir() if file != path)
    for file in beside:
        shutil.move(file, tmp_path.with_name("aside"))
        assert not more.is_unchanged()
        if len(beside) == 1:
            assert inspect(path, None).fingerprint == plain.fingerprint
        shutil.move(tmp_path.with_name("aside"), file)
        assert inspect(path, None).fingerprint == more.fingerprint
        file.write_bytes(file.read_bytes() + b" ")
        assert not more.is_unchanged()
        assert inspect(path, None).fingerprint != more.fingerprint
        more = inspect(path, None)


HEADERS = {"ENVI": ("scene.dat", "scene.hdr"), "HFA": ("scene.img", "scene.ige"),
           "EHdr": ("scene.bil", "scene.prj"), "SAGA": ("scene.sdat", "scene.sgrd")}  # fmt: skip
"""Formats of several files: the one that is named, and another."""


def of_several_files(folder: Path, driver: str) -> tuple[Path, Path]:
    path, other = (folder / name for name in HEADERS[driver])
    options = {"USE_SPILL": "YES"} if driver == "HFA" else {}
    rasterio.shutil.copy(cut(folder / "cut.tif", "grey", 64), path, driver=driver, **options)
    return aged(path), aged(other)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("driver", HEADERS)
def test_all_files_of_a_raster_are_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, listed: bool
) -> None:
    monkeypatch.setattr(members, "SETTLED_SECONDS", -1)  # descriptions of members are remembered
    path, other = of_several_files(tmp_path, driver)
    listing = mosaic_json(tmp_path / "mosaic.json", [path.name]) if listed else path
    for file in tmp_path.iterdir():
        aged(file)
    plain = raster_of(listing)
    assert plain.is_unchanged()
    assert raster_of(listing).fingerprint == plain.fingerprint
    other.write_bytes(other.read_bytes() + b"\n")
    aged(other)
    assert not plain.is_unchanged()
    changed = raster_of(listing)
    assert changed.fingerprint != plain.fingerprint
    other.unlink()
    assert not changed.is_unchanged()


def test_another_header_is_another_picture_in_another_place(tmp_path: Path) -> None:
    path, header = of_several_files(tmp_path, "ENVI")
    catalogue = open_catalogue(configured(scene=path))
    old = catalogue["scene"]
    text = header.read_text()
    left = old.raster.bounds[0]
    assert f", {left:.12g}," in text
    header.write_text(text.replace(f", {left:.12g},", f", {left + 100:.12g},"))
    new = wait_for_replacement(catalogue, "scene", old)
    assert new.raster.bounds[0] == pytest.approx(left + 100)
    catalogue.close()


def test_the_same_files_under_another_name_are_the_same_version(tmp_path: Path) -> None:
    path = with_mask(cut(tmp_path / "scene.tif", "rgb"))
    first = inspect(path, None).fingerprint
    for file in list(tmp_path.iterdir()):
        file.rename(file.with_name(file.name.replace("scene", "other")))
    assert inspect(tmp_path / "other.tif", None).fingerprint == first


def test_a_mask_that_comes_while_a_raster_is_served_is_seen(tmp_path: Path) -> None:
    path = aged(cut(tmp_path / "scene.tif", "rgb"))
    masked = with_mask(cut(tmp_path / "new.tif", "rgb"))
    catalogue = open_catalogue(configured(scene=path))
    old = catalogue["scene"]
    assert old.layer(GRID).bands.valid(old.layer(GRID).extent).mean() > 0.9
    masked.with_name("new.tif.msk").replace(tmp_path / "scene.tif.msk")
    wait_for_replacement(catalogue, "scene", old)
    layer = catalogue["scene"].layer(GRID)
    assert layer.bands.valid(layer.extent).mean() == pytest.approx(0.5, abs=0.02)
    catalogue.close()


def test_a_look_lists_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raster = inspect(with_mask(cut(tmp_path / "scene.tif", "rgb")), None)

    def listing(*_arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(os, "listdir", listing)
    monkeypatch.setattr(os, "scandir", listing)
    assert raster.is_unchanged()
    assert raster.origin.signature() == raster.signature


def test_a_sidecar_is_seen_though_its_folder_s_time_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tar, cp -a and rsync -a do."""
    monkeypatch.setattr(members, "SETTLED_SECONDS", -1)  # what was found is remembered
    path = cut(tmp_path / "scene.tif", "uint16", 64)
    before = aged(tmp_path).stat().st_ctime_ns
    plain = inspect(path, None)
    assert plain.is_unchanged()
    remarks(path)
    wait_until(lambda: aged(tmp_path).stat().st_ctime_ns != before)  # one tick of the clock
    assert not plain.is_unchanged()
    assert inspect(path, None).fingerprint != plain.fingerprint


def test_nothing_is_looked_for_beside_a_remote_raster(tmp_path: Path) -> None:
    (folder := tmp_path / "store").mkdir()
    with_mask(with_overviews(cut(folder / "scene.tif", "rgb")))
    with file_server(folder, tmp_path / "control") as store:
        settings = SourceSettings(path=f"{store.url}/scene.tif")
        raster = inspect_source(settings, frozenset({store.host}))
        assert (raster.masked, raster.overviews) == (False, ())
        assert {path for _, path, _ in store.asked} == {"/scene.tif"}


def named_by_remarks(path: Path) -> None:
    text = '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="overview&#95;FILE">{}</MDI>'
    text += "</Metadata></PAMDataset>"
    path.with_name(f"{path.name}.aux.xml").write_text(text.format(path.with_name("other.vrt")))


def named_by_itself(path: Path) -> None:
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(path.with_name("other.vrt")))


def a_virtual_one(path: Path) -> None:
    path.with_name(f"{path.name}.ovr").write_text(ELSEWHERE)


def a_virtual_mask(path: Path) -> None:
    path.with_name(f"{path.name}.msk").write_text(ELSEWHERE)


def named_by_its_overviews(path: Path) -> None:
    named_by_itself(with_overviews(path).with_name(f"{path.name}.ovr"))


def a_virtual_one_of_its_mask(path: Path) -> None:
    a_virtual_one(with_mask(path).with_name(f"{path.name}.msk"))


@pytest.mark.parametrize(
    "refer",
    [
        named_by_remarks,
        named_by_itself,
        a_virtual_one,
        a_virtual_mask,
        named_by_its_overviews,
        a_virtual_one_of_its_mask,
    ],
)
def test_overviews_and_masks_lead_to_no_other_file(
    tmp_path: Path, refer: Callable[[Path], None]
) -> None:
    (folder := tmp_path / "parts").mkdir()
    path = cut(folder / "scene.tif", "grey")
    (folder / "other.vrt").write_text(ELSEWHERE)
    refer(path)
    with pytest.raises(StartupError, match=r"references another file|from another file|not a TIFF"):
        inspect(path, None)
    with pytest.raises(StartupError):
        raster_of(folder, mosaic=True)


def test_a_remote_raster_s_own_tags_lead_to_no_other_file(tmp_path: Path) -> None:
    (folder := tmp_path / "store").mkdir()
    path = cut(folder / "scene.tif", "grey")
    with file_server(folder, tmp_path / "control") as store:
        with rasterio.open(path, "r+") as dataset:
            address = f"/vsicurl/{store.url}/secret.tif"
            dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=address)
        origin = locate(SourceSettings(path=f"{store.url}/scene.tif"), frozenset({store.host}))
        with pytest.raises(StartupError, match="from another file"):
            inspect_origin(origin, None)
        assert "/secret.tif" not in {path for _, path, _ in store.asked}
