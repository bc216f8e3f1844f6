"""overzoom.yaml: its schema, its annotated example, and what is found wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tests.support.commands import call_overzoom
from tests.support.keys import hashed
from tests.support.rasters import cut, full_disk
from tileserver.settings.document import annotate, schema
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings

DEPLOY = Path(__file__).parents[3] / "deploy"


def test_the_files_for_people_and_editors_are_the_ones_that_the_command_writes() -> None:
    assert (DEPLOY / "overzoom.schema.json").read_text() == schema()
    assert (DEPLOY / "overzoom.yaml").read_text() == annotate()


def test_the_annotated_file_holds_every_setting_at_its_default() -> None:
    written = yaml.safe_load((DEPLOY / "overzoom.yaml").read_text())
    sources = written.pop("sources")
    assert written == json.loads(Settings().model_dump_json(exclude={"sources"}))
    assert all(set(source) == set(SourceSettings.model_fields) for source in sources.values())
    settings = read_settings(DEPLOY / "overzoom.yaml", {})
    assert Path(settings.sources["scene"].path or "").exists()


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from models(field.annotation)


def test_every_setting_says_what_it_means() -> None:
    for model in models(Settings):
        for name, field in model.model_fields.items():
            inner = field.annotation
            nested = isinstance(inner, type) and issubclass(inner, BaseModel) and inner.__doc__
            assert field.description or nested, f"{model.__name__}.{name}"


def written(folder: Path, **values: Any) -> Path:
    file = folder / "overzoom.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def test_a_good_configuration_says_what_would_be_served(tmp_path: Path) -> None:
    cut(tmp_path / "meadow.tif", "rgb")
    cut(tmp_path / "deep.tif", "uint16")
    full_disk(tmp_path / "disk.tif")
    sources = {id: {"path": f"{id}.tif"} for id in ("meadow", "deep", "disk")}
    done = call_overzoom("check-config", written(tmp_path, sources=sources))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "meadow: 300 x 300 px, 3 bands of uint8, imagery 0.20 m to zoom 19, served to 22 (0.026 m)",
        "deep: 300 x 300 px, 3 bands of uint16, imagery 0.20 m to zoom 19, served to 22 (0.026 m)",
        "disk: 300 x 300 px, 1 bands of uint8, beyond web mercator",
    ]
    assert done.stderr == ""


def test_all_that_is_wrong_is_found_a_line_each(tmp_path: Path) -> None:
    cut(tmp_path / "good.tif", "rgb")
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "file").write_text("where a folder is wanted")
    config = written(
        tmp_path,
        sources={
            "good": {"path": "good.tif", "reference": "truth"},
            "text": {"path": "text.tif"},
            "gone": {"path": "gone.tif"},
        },
        access={"public": ["god"], "keys": {"town": {"sha256": hashed("k"), "sources": ["x"]}}},
        cache={
            "folder": str(tmp_path / "file"),
            "redis_url": "http://cache:6379",
            "object_store_url": "nowhere://tiles",
        },
    )
    done = call_overzoom("check-config", config)
    assert done.exit_code == 1
    assert "good: 300 x 300 px" in done.stdout
    lines = done.stderr.splitlines()
    for line, reason in zip(
        lines,
        (
            "access.public: there is no source 'god'",
            "sources.good.reference: there is no source 'truth'",
            "access.keys.town.sources: there is no source 'x'",
            f"cache.folder: {tmp_path / 'file'} is not writable",
            "cache.redis_url: not a redis://",
            "cache.object_store_url and its options: ",
            "text.tif: not a raster",
            "gone.tif: not a raster",
        ),
        strict=True,
    ):
        assert line.startswith("overzoom: ")
        assert reason in line


def test_a_cache_folder_that_cannot_even_be_looked_at_is_a_line_too(tmp_path: Path) -> None:
    cut(tmp_path / "good.tif", "rgb")
    sources, cache = {"good": {"path": "good.tif"}}, {"folder": "long" * 100}
    done = call_overzoom("check-config", written(tmp_path, sources=sources, cache=cache))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("is not writable")


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        (
            {"steps": 0, "prot": 1},
            ["steps: Input should be", "unknown setting 'prot': did you mean 'port'?"],
        ),
        ({"access": {"keys": {"a": {"sha256": "key itself"}}}}, ["access.keys.a.sha256: String"]),
        ({"sources": {}}, ["sources: none configured"]),
        ({"stride_px": 512}, ["unknown setting 'stride_px'"]),
    ],
)
def test_settings_that_cannot_be_are_named(
    tmp_path: Path, values: dict[str, Any], reasons: list[str]
) -> None:
    done = call_overzoom("check-config", written(tmp_path, **values))
    assert done.exit_code == 1
    for line, reason in zip(done.stderr.splitlines(), reasons, strict=True):
        assert reason in line


def test_a_fresh_key_and_its_hash_belong_together() -> None:
    keys = set()
    for _ in range(2):
        key, digest = (line.split()[-1] for line in call_overzoom("hash-key").stdout.splitlines())
        assert hashed(key) == digest
        keys.add(key)
    assert len(keys) == 2
