"""A destination directory beside other files, which downloads must not change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pystac
import pytest


@dataclass
class Workspace:
    """A destination directory in a folder with other files."""

    root: Path
    """The folder that contains all files of the test."""

    directory: Path
    """The destination directory."""

    outside: Path
    """A folder beside the destination directory."""

    def snapshot_outside(self) -> dict[str, object]:
        """Return the content of all files and folders outside the destination directory."""
        found: dict[str, object] = {}
        for folder, folders, files in os.walk(self.root):
            here = Path(folder)
            if here == self.directory:
                folders.clear()
                continue
            for name in [*folders, *files]:
                path = here / name
                if path.is_symlink():
                    found[str(path)] = os.readlink(path)
                elif path.is_file():
                    found[str(path)] = (path.read_bytes(), path.stat().st_mtime_ns)
                else:
                    found[str(path)] = None
        return found

    def files(self) -> list[Path]:
        """Return all files in the destination directory, including those behind symlinks."""
        return [
            Path(folder) / name
            for folder, _, names in os.walk(self.directory, followlinks=True)
            for name in names
        ]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A destination directory six folders deep.

    The depth keeps files within `tmp_path` if a path climbs out of the destination directory. After
    the test, the files outside must be unchanged.
    """
    directory = tmp_path / "1" / "2" / "3" / "4" / "5" / "destination"
    outside = tmp_path / "1" / "2" / "3" / "4" / "5" / "outside"
    directory.mkdir(parents=True)
    outside.mkdir()
    (outside / "a.tif").write_bytes(b"other file")
    (outside / ".a.tif.part").write_bytes(b"other part file")
    created = Workspace(tmp_path, directory, outside)
    before = created.snapshot_outside()
    yield created
    assert created.snapshot_outside() == before


def item_collection(*items: pystac.Item) -> pystac.ItemCollection:
    """Return a collection of the given items, without copies."""
    return pystac.ItemCollection(items, clone_items=False)


def check_file_names(workspace: Workspace, *, count: int) -> list[Path]:
    """Check that all names are valid on common file systems, and return the files.

    Args:
        workspace: The workspace.
        count: Expected number of files.
    """
    files = workspace.files()
    assert len(files) == count
    for file in files:
        for part in file.relative_to(workspace.directory).parts:
            assert 0 < len(os.fsencode(part)) <= 255
            assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "/\\" for c in part)
    return files
