"""Open folders of a contained directory, and the check that their paths still lead to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.destination import LocalDestination
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError, UnsafePathError

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


def test_folder_behind_a_symlink_that_leads_outside_fails_the_check(
    directory: ContainedDirectory, tmp_path: Path
) -> None:
    folder = directory.open_folder("above/folder/file", make=True)
    directory.check_still_there(folder)
    (tmp_path / "out" / "above").rename(tmp_path / "elsewhere")
    (tmp_path / "out" / "above").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePathError, match="leads outside"):
        directory.check_still_there(folder)
    with pytest.raises(UnsafePathError, match="leads outside"):
        directory.open_folder("above/folder/file")


@pytest.mark.parametrize("length", [0, 1])
def test_folder_with_the_name_of_a_file_keeps_received_bytes_only(
    directory: ContainedDirectory, tmp_path: Path, length: int
) -> None:
    (tmp_path / "out" / KEY).mkdir(parents=True)
    part = tmp_path / "out" / "folder" / ".file.part"
    part.write_bytes(b"x" * length)
    for _ in range(2):  # The lock is released.
        with pytest.raises(DestinationError, match="a folder has this name"):
            PartFile.open(directory, KEY)
    assert part.exists() == bool(length)


async def test_head_follows_existing_only_for_the_same_key(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    assert await destination.existing("one/file", Declared(), "size") is not None
    assert await destination.head("two/file", 9) == b"two"
    assert await destination.existing("one/file", Declared(), "size") is not None
    (tmp_path / "one").rename(tmp_path / "three")
    (tmp_path / "two").rename(tmp_path / "one")
    await destination.head("one/file", 9)
    assert await destination.head("one/file", 9) == b"two"


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
