"""Audits of mirrors with planted differences: the audit finds exactly these."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.planted import PLANTS, Found, PlantedMirror, files_of, ruin_content, scene
from stac_asset import Config
from stac_asset.audit.api import audit_mirror
from stac_asset.concurrency import new_runner
from tests.support.audits import audit_found

ITEMS = 24
_CONTENT = b"II*\0" + b"d" * 60


@pytest.fixture(scope="module")
def pristine() -> Iterator[PlantedMirror]:
    """A mirror without differences, with the source."""
    with tempfile.TemporaryDirectory() as folder:
        mirror = PlantedMirror(
            Path(folder, "mirror"),
            Path(folder, "items.ndjson"),
            {
                item["id"]: item
                for number in range(ITEMS)
                for item in [scene(number, "https://files.example", ("a", "b"))]
            },
        )
        mirror.write_source()
        mirror.write_mirror(lambda name, key: _CONTENT)
        yield mirror


def copy_of(mirror: PlantedMirror, folder: Path) -> PlantedMirror:
    """Return a copy of a mirror with the same source address."""
    directory = folder / "mirror"
    shutil.copytree(mirror.directory, directory)
    return PlantedMirror(directory, mirror.source, copy.deepcopy(mirror.items))


def name_of(number: int) -> str:
    return f"scene-{number:06}"


async def test_mirror_without_differences_is_complete(pristine: PlantedMirror) -> None:
    before = dict(files_of(pristine))
    for read_files in (False, True):
        found, summary = await audit_found(pristine, read_files=read_files)
        assert found == []
        assert (summary.complete, summary.error) == (True, None)
        assert (summary.found, summary.mirrored, summary.unchanged) == (ITEMS, ITEMS, ITEMS)
    assert dict(files_of(pristine)) == before
    assert str(summary) == "24 of 24 items of the source are up to date; no differences"


@pytest.mark.parametrize("plant", PLANTS)
async def test_each_planted_difference_is_found(
    pristine: PlantedMirror, tmp_path: Path, plant: str
) -> None:
    mirror = copy_of(pristine, tmp_path)
    PLANTS[plant](mirror, name_of(5))
    mirror.write_source()
    try:
        before = dict(files_of(mirror))
        found, summary = await audit_found(mirror)
    finally:
        pristine.write_source()
    assert found == list(mirror.expected)
    assert dict(files_of(mirror)) == before
    assert summary.complete is (found[0][0] in ("extra", "inconsistent"))
    assert summary.error is not None
    assert str(summary.error).startswith("1 difference between the mirror and the source\n- ")


plants = st.dictionaries(
    st.integers(0, ITEMS - 1), st.sampled_from([*PLANTS, "content"]), max_size=ITEMS - 1
)


@given(plants, st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_planted_differences_are_found_exactly(
    pristine: PlantedMirror, planted: dict[int, str], has_index: bool, read_files: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, new_runner() as runner:
        mirror = copy_of(pristine, Path(folder))
        contents: set[Found] = set()
        for number, plant in planted.items():
            if plant == "content":
                ruin_content(mirror, name_of(number))
                contents.add(("corrupt", name_of(number), "a"))
            else:
                PLANTS[plant](mirror, name_of(number))
        if not has_index:
            shutil.rmtree(mirror.directory / ".mirror")
            mirror.expected = {
                entry
                for entry in mirror.expected
                if entry[0] != "inconsistent" or "/" in str(entry[1])
            }
        mirror.write_source()
        try:
            found, summary = runner.run(audit_found(mirror, read_files=read_files))
        finally:
            pristine.write_source()
    expected = mirror.expected - (set() if read_files else contents)
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert summary.differences == len(expected)


async def test_report_rows_name_item_asset_and_reason(
    pristine: PlantedMirror, tmp_path: Path
) -> None:
    mirror = copy_of(pristine, tmp_path)
    PLANTS["file_short"](mirror, name_of(3))
    rows = []
    summary = await audit_mirror(
        str(mirror.source), mirror.directory, config=Config(), on_row=rows.append
    )
    assert rows == summary.first
    assert rows == [
        {
            "state": "corrupt",
            "collection": "scenes",
            "item": "scene-000003",
            "asset": "a",
            "path": "scenes/scene-000003/a.tif",
            "reason": "the file has 63 bytes, and the mirror recorded 64",
            "repaired": False,
        }
    ]
