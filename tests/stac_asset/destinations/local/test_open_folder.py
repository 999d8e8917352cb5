"""Open folders of a contained directory, and the check that their paths still lead to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.errors import DestinationError

KEY = "folder/file"


@pytest.fixture
def directory(tmp_path: Path) -> ContainedDirectory:
    """The directory `tmp_path/out`."""
    return ContainedDirectory(tmp_path / "out")


def test_unchanged_folder_passes_the_check(directory: ContainedDirectory) -> None:
    directory.check_still_there(directory.open_folder(KEY, make=True))


@pytest.mark.parametrize("moved", ["out", "out/folder"], ids=["directory", "folder"])
@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "moved"])
def test_moved_folder_fails_the_check(
    directory: ContainedDirectory, tmp_path: Path, moved: str, replaced: bool
) -> None:
    folder = directory.open_folder(KEY, make=True)
    (tmp_path / moved).rename(tmp_path / "elsewhere")
    if replaced:
        (tmp_path / "out" / "folder").mkdir(parents=True)
    with pytest.raises(DestinationError, match=r"out/folder was moved or replaced"):
        directory.check_still_there(folder)


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "moved"])
def test_moved_directory_fails_the_check_for_its_own_files(
    directory: ContainedDirectory, tmp_path: Path, replaced: bool
) -> None:
    folder = directory.open_folder("file", make=True)
    directory.check_still_there(folder)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    if replaced:
        (tmp_path / "out").mkdir()
    with pytest.raises(DestinationError, match=r"out/? was moved or replaced"):
        directory.check_still_there(folder)


def test_folder_is_shared_until_it_is_moved(directory: ContainedDirectory, tmp_path: Path) -> None:
    folder = directory.open_folder(KEY, make=True)
    assert directory.open_folder("folder/other", make=True) is folder
    (tmp_path / "out" / "folder").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        directory.open_folder(KEY)
    assert not directory.open_folder(KEY, make=True).is_same(folder)
