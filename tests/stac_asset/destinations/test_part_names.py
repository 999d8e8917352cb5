"""Names of part files and resume notes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stac_asset.destinations.part_names import is_part_name, part_names, part_paths

LONGEST = "x" * 244
"""The longest name that part names contain. The resume note then has a name of 255 bytes."""


@pytest.mark.parametrize("name", ["a.tif", "a", ".hidden", "é日本.tif", LONGEST])
def test_part_names_contain_file_name(name: str) -> None:
    assert part_names(name) == (f".{name}.part", f".{name}.part.json")


@pytest.mark.parametrize("name", [LONGEST + "x", "x" * 255, "é" * 123, "日" * 85])
def test_long_names_are_replaced_by_digest(name: str) -> None:
    part, note = part_names(name)
    assert name[:10] not in part
    assert part != part_names(f"y{name[1:]}")[0]
    assert note == f"{part}.json"


@pytest.mark.parametrize("name", ["a.tif", LONGEST, LONGEST + "x", "é" * 122, "é" * 123, "日" * 85])
def test_part_names_fit_file_system_and_are_recognized(name: str) -> None:
    for found in part_names(name):
        assert len(os.fsencode(found)) <= 255
        assert is_part_name(found)


def test_part_paths_are_beside_the_file() -> None:
    parts = part_paths(Path("/folder/a.tif"))
    assert parts == (Path("/folder/.a.tif.part"), Path("/folder/.a.tif.part.json"))


@pytest.mark.parametrize("name", [".a.part", ".A.PART", ".a.part.json", ".A.Part.Json", "..part"])
def test_part_names_are_recognized_in_any_case(name: str) -> None:
    assert is_part_name(name)


@pytest.mark.parametrize(
    "name",
    ["a.part", ".part", ".a.parts", ".a.part.json5", ".a.part.jsonx", ".a.json", "a.tif", ""],
)
def test_other_names_are_not_recognized(name: str) -> None:
    assert not is_part_name(name)
