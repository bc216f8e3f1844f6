"""Many rasters as one source: folders, MosaicJSON, STAC items, virtual rasters; what is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from scipy.ndimage import distance_transform_edt

from engine.window import Window
from tests.support.changing import wait_for_replacement
from tests.support.members import GRID, bands_of, mosaic_json, quarters, raster_of
from tests.support.rasters import SMALL_SIDE, cut
from tileserver.assembly import open_catalogue
from tileserver.errors import SourceUnavailable, StartupError
from tileserver.imagery.bands import GridSource
from tileserver.imagery.handles import HandlePool
from tileserver.origins.members import LocalFile
from tileserver.origins.origin import Origin
from tileserver.rasters import locating, virtual_file
from tileserver.rasters.locating import locate
from tileserver.rasters.opening import open_raster
from tileserver.rasters.parts import Part, describe_member
from tileserver.rasters.raster import Raster
from tileserver.rasters.validity import read_valid
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings

RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@pytest.mark.parametrize(
    ("listing", "kind"),
    [("folder", kind) for kind in ("rgb", "rgba", "nodata", "mask", "grey", "uint16", "four")]
    + [("MosaicJSON", kind) for kind in ("rgb", "mask")],
)
def test_members_side_by_side_equal_the_one_file_without_a_seam(
    tmp_path: Path, kind: str, listing: str
) -> None:
    whole = cut(tmp_path / "whole.tif", kind, SMALL_SIDE)
    paths = quarters(whole, tmp_path / "parts")
    if listing == "folder":
        mosaic = raster_of(tmp_path / "parts", mosaic=True)
    else:
        names = [f"parts/{path.name}" for path in paths]
        mosaic = raster_of(mosaic_json(tmp_path / "mosaic.json", names))
    one = raster_of(whole)
    assert (mosaic.dtype, mosaic.indexes, mosaic.bounds) == (one.dtype, one.indexes, one.bounds)
    (bands, extent), (expected, _) = bands_of(mosaic), bands_of(one)
    far = np.ones((extent.height, extent.width), bool)
    if kind in ("rgba", "nodata"):
        # GDAL blends alpha at the edge of a hole, where a mosaic's mask is yes or no.
        far = distance_to_edge(expected.valid(extent)) > KERNEL_PX
    assert np.array_equal(bands.valid(extent)[far], expected.valid(extent)[far])
    inside = far & expected.valid(extent)  # a hole's filling mirrors its edge
    assert inside.mean() > 0.8
    tolerance = 1.01 / 255 if kind == "rgba" else 0  # blending rounds whole alpha as well
    np.testing.assert_allclose(
        bands.read(extent)[:, inside], expected.read(extent)[:, inside], rtol=0, atol=tolerance
    )


KERNEL_PX = 6
"""Reach of the cubic kernel, two source pixels, on a grid of up to twice as many."""


def distance_to_edge(valid: np.ndarray) -> np.ndarray:
    return np.maximum(distance_transform_edt(valid), distance_transform_edt(~valid))


def alone_and_in_a_mosaic(path: Path, bands: NDArray[Any], **options: Any) -> list[Any]:
    """Values and validity of a raster, then those of a mosaic of it alone."""
    path.parent.mkdir()
    with rasterio.open(cut(path.with_name("cut.png"), "four", SMALL_SIDE)) as dataset:
        profile = dataset.profile | {"count": len(bands), "dtype": bands.dtype, **options}
    path.with_name("cut.png").unlink()
    with rasterio.open(path, "w", **profile) as out:
        fourth = ColorInterp.undefined if "nodata" in options else ColorInterp.alpha
        out.colorinterp = (*RGB, fourth, ColorInterp.undefined)[: len(bands)]
        out.write(bands)
    found: list[NDArray[Any]] = []
    for raster in (raster_of(path), raster_of(path.parent, mosaic=True)):
        assert raster.nodata == (options.get("nodata") if not found else None)
        with raster.address.environment(), open_raster(raster) as dataset:
            valid = read_valid(dataset, raster.indexes, raster.alpha)
            found += [dataset.read(raster.indexes) * valid, valid]
    return found


@pytest.mark.parametrize("nodata", [0, 255])
def test_a_member_has_data_where_any_of_its_bands_has_it(tmp_path: Path, nodata: int) -> None:
    bands = np.full((4, SMALL_SIDE, SMALL_SIDE), 100, np.uint8)
    bands[0, 10], bands[3, 20], bands[:3, 30], bands[:, 40] = nodata, nodata, nodata, nodata
    path = tmp_path / "parts" / "a.tif"
    values, valid, members, known = alone_and_in_a_mosaic(path, bands, nodata=nodata)
    assert np.flatnonzero(~valid.all(axis=1)).tolist() == [40]
    np.testing.assert_array_equal(known, valid)
    np.testing.assert_array_equal(members, values)


@pytest.mark.parametrize(("dtype", "count"), [("int16", 4), ("float32", 4), ("uint8", 5)])
def test_alpha_that_gdal_takes_for_data_hides_pixels_of_a_member(
    tmp_path: Path, dtype: str, count: int
) -> None:
    bands = np.full((count, SMALL_SIDE, SMALL_SIDE), 100, dtype)
    bands[3], bands[3, 40] = 255, 0
    path = tmp_path / "parts" / "a.tif"
    values, valid, members, known = alone_and_in_a_mosaic(path, bands)
    assert np.flatnonzero(~valid.all(axis=1)).tolist() == [40]
    np.testing.assert_array_equal(known, valid)
    np.testing.assert_array_equal(members, values)


def test_members_with_gaps_between_them_have_no_data_there(tmp_path: Path) -> None:
    paths = quarters(cut(tmp_path / "whole.tif", "rgb", SMALL_SIDE), tmp_path / "parts")
    paths[1].unlink()
    bands, extent = bands_of(raster_of(tmp_path / "parts", mosaic=True))
    valid = bands.valid(extent)
    assert valid[extent.height * 3 // 4, extent.width * 3 // 4]
    assert not valid[extent.height // 4, extent.width * 3 // 4]


def test_the_first_member_with_data_is_shown(tmp_path: Path) -> None:
    bright, dark = tmp_path / "a.tif", tmp_path / "b.tif"
    for path, level in ((bright, 200), (dark, 50)):
        with rasterio.open(cut(tmp_path / "cut", "rgba", SMALL_SIDE)) as dataset:
            profile, pixels = dataset.profile, dataset.read()
        pixels[:3] = level
        if path is dark:
            pixels[3] = 255
        with rasterio.open(path, "w", **profile) as out:
            out.write(pixels)
    (tmp_path / "cut").unlink()
    for names, shown in ((["a.tif", "b.tif"], 200), (["b.tif", "a.tif"], 50)):
        raster = raster_of(mosaic_json(tmp_path / "mosaic.json", names))
        with rasterio.open(raster.address.text, driver="VRT") as dataset:
            pixels = dataset.read(1)
        assert pixels[0, 0] == shown
        assert pixels[70, 80] == 50, "the first has a hole here"


def test_a_mosaic_is_read_by_threads_as_by_one(tmp_path: Path) -> None:
    quarters(cut(tmp_path / "whole.tif", "rgb", SMALL_SIDE), tmp_path / "parts")
    raster = raster_of(tmp_path / "parts", mosaic=True)
    source = GridSource(HandlePool(2).of(raster), GRID, 20)
    extent = source.extent
    windows = [
        Window(extent.row + 90 + row, extent.col + 90 + col, 48, 48)
        for row in range(0, 100, 20)
        for col in range(0, 100, 20)
    ]
    expected = [source.read(window) for window in windows]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            for drawn, one in zip(threads.map(source.read, windows), expected, strict=True):
                assert np.array_equal(drawn, one)


def test_members_that_come_go_or_change_make_another_version(tmp_path: Path) -> None:
    paths = quarters(cut(tmp_path / "whole.tif", "rgb", SMALL_SIDE), tmp_path / "parts")
    for path in paths:
        os.utime(path, ns=(10**18, 10**18))
    settings = {"path": str(tmp_path / "parts"), "mosaic": True}
    catalogue = open_catalogue(
        Settings.model_validate({"sources": {"m": settings}, "source_check_seconds": 0.05})
    )
    versions = [catalogue["m"].fingerprint]

    def change(do: str) -> None:
        old = catalogue["m"]
        if do == "remove":
            paths[0].rename(tmp_path / "aside.tif")
        elif do == "add":
            (tmp_path / "aside.tif").rename(paths[0])
        else:
            cut(tmp_path / "other.tif", "nodata", SMALL_SIDE).replace(paths[3])
        assert not old.is_unchanged()
        wait_for_replacement(catalogue, "m", old)
        versions.append(catalogue["m"].fingerprint)

    for do in ("remove", "add", "replace"):
        change(do)
    assert versions[2] == versions[0], "the same content is the same version"
    assert len(set(versions)) == 3
    catalogue.close()


def interrupt(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, change: Callable[[], object]
) -> None:
    """Change files once in the middle of an inspection, when a function is first called."""
    function, changes = getattr(module, name), [change]

    def interrupted(*arguments: Any) -> Any:
        if changes:
            changes.pop()()
        return function(*arguments)

    monkeypatch.setattr(module, name, interrupted)


def assert_of_one_version(found: Raster, path: Path, **settings: object) -> None:
    """That what was read is what its signatures and fingerprint are of."""
    now = raster_of(path, **settings)
    assert (found.address, found.bounds) == (now.address, now.bounds)
    assert (found.signature, found.fingerprint) == (now.signature, now.fingerprint)


def test_a_virtual_raster_that_is_saved_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = virtual(tmp_path / "virtual.vrt", "member.tif")
    narrow = path.read_text().replace(f'XSize="{SMALL_SIDE}"', 'XSize="50"')
    interrupt(monkeypatch, virtual_file, "describe_member", lambda: path.write_text(narrow))
    found = raster_of(path)
    assert found.width == 50
    assert_of_one_version(found, path)


def test_a_member_that_is_replaced_after_it_was_described_is_described_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = quarters(cut(tmp_path / "whole.tif", "rgb", SMALL_SIDE), folder := tmp_path / "parts")
    with rasterio.open(shutil.copy(paths[1], tmp_path / "moved.tif"), "r+") as dataset:
        dataset.transform = dataset.transform * Affine.translation(100, 0)
    moved, width = tmp_path / "moved.tif", raster_of(folder, mosaic=True).width
    interrupt(monkeypatch, locating, "build_mosaic", lambda: moved.replace(paths[1]))
    found = raster_of(folder, mosaic=True)
    assert found.width == width + 100
    assert_of_one_version(found, folder, mosaic=True)


def test_a_file_that_comes_while_its_folder_is_read_is_a_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As rsync renames its copies: the version before was inspected because of one's name."""
    (folder := tmp_path / "parts").mkdir()
    cut(folder / "a.tif", "rgb", SMALL_SIDE)
    aside = shutil.copy(folder / "a.tif", folder / ".b.tif.Xy12")
    rename = partial(os.rename, aside, folder / "b.tif")
    interrupt(monkeypatch, locating, "describe_member", rename)
    found = raster_of(folder, mosaic=True)
    assert LocalFile(folder / "b.tif") in found.origin.members
    assert_of_one_version(found, folder, mosaic=True)


def test_files_that_change_all_the_time_are_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, widths = virtual(tmp_path / "virtual.vrt", "member.tif"), count(1)
    text = path.read_text()

    def narrowed(origin: Origin) -> Part:
        path.write_text(text.replace(f'XSize="{SMALL_SIDE}"', f'XSize="{next(widths)}"'))
        return describe_member(origin)

    monkeypatch.setattr(virtual_file, "describe_member", narrowed)
    with pytest.raises(StartupError, match=r"virtual\.vrt: its files change while they are read"):
        raster_of(path)


def test_a_mosaic_of_one_file_is_another_version_than_the_file(tmp_path: Path) -> None:
    """Its overviews are virtual, and so its pixels are others."""
    (tmp_path / "parts").mkdir()
    path = cut(tmp_path / "parts" / "a.tif", "rgb", SMALL_SIDE)
    for number in range(2):  # with sidecars, too
        assert raster_of(tmp_path / "parts", mosaic=True).fingerprint != raster_of(path).fingerprint
        path.with_suffix(".tfw").write_text(f"{number}")


def test_a_member_that_is_gone_is_no_hole_in_a_picture(tmp_path: Path) -> None:
    paths = quarters(cut(tmp_path / "whole.tif", "rgb", SMALL_SIDE), tmp_path / "parts")
    raster = raster_of(tmp_path / "parts", mosaic=True)
    bands, extent = bands_of(raster)
    paths[2].unlink()
    with pytest.raises(SourceUnavailable):
        bands.read(extent)


def item(path: Path, assets: dict[str, str]) -> Path:
    document = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "assets": {name: {"href": href} for name, href in assets.items()},
    }
    path.write_text(json.dumps(document))
    return path


def test_assets_of_a_stac_item_become_the_bands(tmp_path: Path) -> None:
    whole = cut(tmp_path / "whole.tif", "mask", SMALL_SIDE)
    with rasterio.open(whole) as dataset:
        profile = dataset.profile | {"count": 1, "photometric": "MINISBLACK"}
        profile.pop("interleave", None)
        for index, name in enumerate(("red", "green", "blue"), start=1):
            with rasterio.open(tmp_path / f"{name}.tif", "w", **profile) as out:
                out.write(dataset.read(index), 1)
                out.write_mask(dataset.read_masks(1))
    assets = {name: f"./{name}.tif" for name in ("red", "green", "blue")}
    path = item(tmp_path / "item.json", {**assets, "visual": "whole.tif"})
    expected, extent = bands_of(raster_of(whole))
    for chosen in (["red", "green", "blue"], ["visual"]):
        bands, _ = bands_of(raster_of(path, assets=chosen))
        assert np.array_equal(bands.valid(extent), expected.valid(extent))
        assert np.array_equal(bands.read(extent), expected.read(extent))
    with pytest.raises(StartupError, match="set assets to some of blue, green, red, visual"):
        raster_of(path)
    with pytest.raises(StartupError, match="has no asset nir"):
        raster_of(path, assets=["nir"])


@pytest.mark.parametrize(
    ("other", "reason"),
    [("uint16", "data type"), ("grey", "number of bands"), ("coarse", "pixel size")],
)
def test_members_that_differ_are_refused_in_one_line(
    tmp_path: Path, other: str, reason: str
) -> None:
    (tmp_path / "parts").mkdir()
    cut(tmp_path / "parts" / "a.tif", "rgb", SMALL_SIDE)
    path = cut(tmp_path / "parts" / "b.tif", "rgb" if other == "coarse" else other, SMALL_SIDE)
    if other == "coarse":
        with rasterio.open(path, "r+") as dataset:
            dataset.transform = dataset.transform * dataset.transform.scale(2)
    with pytest.raises(StartupError, match=rf"a\.tif and .*b\.tif differ in their {reason}"):
        raster_of(tmp_path / "parts", mosaic=True)


def test_a_folder_is_a_source_only_where_the_settings_say_so(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="mosaic: true"):
        raster_of(tmp_path)


def virtual(path: Path, source: str, **replaced: str) -> Path:
    """A virtual raster of one source, as gdalbuildvrt writes it, with changes to its text."""
    with rasterio.open(cut(path.with_name("member.tif"), "grey", SMALL_SIDE)) as dataset:
        numbers = ", ".join(map(repr, dataset.transform.to_gdal()))
        crs = dataset.crs.to_string()
    text = (
        f'<VRTDataset rasterXSize="{SMALL_SIDE}" rasterYSize="{SMALL_SIDE}"><SRS>{crs}</SRS>'
        f"<GeoTransform>{numbers}</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><ColorInterp>Gray</ColorInterp>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    for old, new in replaced.items():
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_a_virtual_raster_from_the_configuration_is_served(tmp_path: Path) -> None:
    raster = raster_of(virtual(tmp_path / "virtual.vrt", "member.tif"))
    expected, extent = bands_of(raster_of(tmp_path / "member.tif"))
    assert np.array_equal(bands_of(raster)[0].read(extent), expected.read(extent))
    assert LocalFile(tmp_path / "member.tif") in raster.origin.members, "it is watched too"


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "../member.tif",
        "/vsizip/member.zip/member.tif",
        "/vsis3/bucket/key.tif",
        "http://169.254.169.254/latest",
        "/vsicurl/http://127.0.0.1:1/a.tif",
        "vrt://member.tif",
        "&lt;VRTDataset/&gt;",
        "nested.vrt",
    ],
)
def test_a_virtual_raster_reaches_nothing_but_files_beside_it(tmp_path: Path, source: str) -> None:
    virtual(tmp_path / "nested.vrt", "member.tif")
    with pytest.raises(StartupError, match=r"folder|not there|remote_hosts|references other"):
        raster_of(virtual(tmp_path / "virtual.vrt", source))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('band="1"', 'band="1" subClass="VRTDerivedRasterBand"'),
        ('band="1"', 'band="1" subClass="VRTRawRasterBand"'),
        ("<SourceBand>1", "<OpenOptions><OOI key='a'>b</OOI></OpenOptions><SourceBand>1"),
        ("<SRS>", "<GDALWarpOptions/><SRS>"),
        ("<ColorInterp>", "<PixelFunctionCode>1</PixelFunctionCode><ColorInterp>"),
        ("<VRTDataset ", '<!DOCTYPE a [<!ENTITY b "c">]><VRTDataset '),
        ("</VRTDataset>", ""),
    ],
)
def test_a_virtual_raster_that_does_more_than_place_rasters_is_refused(
    tmp_path: Path, old: str, new: str
) -> None:
    path = virtual(tmp_path / "virtual.vrt", "member.tif", **{old: new})
    with pytest.raises(StartupError, match=r"virtual\.vrt"):
        raster_of(path)


def test_every_folder_below_a_mosaic_is_watched(tmp_path: Path) -> None:
    folder = tmp_path / "mosaic"
    for below in ("2024/a", "2024/b", "empty"):
        (folder / below).mkdir(parents=True)
    cut(folder / "2024" / "a" / "x.tif", "rgb")
    origin = locate(SourceSettings(path=str(folder), mosaic=True))
    seen = {origin.signature()}
    for name in ("2024/b/y.tif", "2024/z.tif", "empty/e.tif"):
        cut(folder / name, "rgb")
        seen.add(origin.signature())
    assert len(seen) == 4
