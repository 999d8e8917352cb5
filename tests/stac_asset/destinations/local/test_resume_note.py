"""Resume notes, and the files of resume notes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stac_asset.destinations import MissingRanges
from stac_asset.destinations.local.resume_note import ResumeNote, ResumeNoteFile

NAME = ".a.tif.part.json"
NOTE = ResumeNote("source", "etag", 100)
LONG_NOTE = ResumeNote("source", "a longer etag", 100, MissingRanges.parse(100, [(1, 2)]))


@pytest.mark.parametrize("missing", [None, MissingRanges.parse(100, [(1, 2)])])
def test_parsed_note_equals_written_note(missing: MissingRanges | None) -> None:
    note = ResumeNote("source", "etag", 100, missing)
    parsed = ResumeNote.parse(note.to_bytes() + b"   ")
    assert parsed is not None
    assert parsed.to_bytes() == note.to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        {"source": "s", "validator": "v"},
        {"source": "s", "validator": 1, "size": 1},
        {"source": None, "validator": "v", "size": 1},
        {"source": "s", "validator": "v", "size": "1"},
        {"source": "s", "validator": "v", "size": 10, "missing": 1},
        {"source": "s", "validator": "v", "size": 10, "missing": [[5, 4]]},
        {"source": "s", "validator": "v", "size": 10, "missing": [[5, 11]]},
        {"source": "s", "validator": "v", "size": None, "missing": [[5, 9]]},
    ],
)
def test_invalid_note_is_ignored(data: bytes | dict[str, object]) -> None:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    assert ResumeNote.parse(text) is None


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """A descriptor of the folder `tmp_path`."""
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.fixture
def note_file(folder: int) -> Iterator[ResumeNoteFile]:
    """The file of a resume note, which does not exist yet."""
    note_file = ResumeNoteFile(NAME, folder)
    yield note_file
    note_file.close()


def test_written_note_is_read(note_file: ResumeNoteFile, folder: int) -> None:
    assert note_file.read() is None
    assert not note_file.written
    note_file.write(LONG_NOTE)
    assert note_file.written
    found = ResumeNoteFile(NAME, folder).read()
    assert found is not None
    assert found.to_bytes() == LONG_NOTE.to_bytes()


def test_shorter_note_replaces_longer_note(note_file: ResumeNoteFile, tmp_path: Path) -> None:
    for note in (LONG_NOTE, NOTE, LONG_NOTE, NOTE):
        note_file.write(note)
        found = note_file.read()
        assert found is not None
        assert found.to_bytes() == note.to_bytes()
    # The file keeps its length, so that each write is a single system call.
    assert (tmp_path / NAME).stat().st_size == len(LONG_NOTE.to_bytes())


def test_write_replaces_symlink(note_file: ResumeNoteFile, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / NAME).symlink_to("other")
    note_file.write(NOTE)
    assert not (tmp_path / NAME).is_symlink()
    assert (tmp_path / NAME).read_bytes() == NOTE.to_bytes()
    assert (tmp_path / "other").read_bytes() == b"other"


def test_read_does_not_follow_symlink(note_file: ResumeNoteFile, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(NOTE.to_bytes())
    (tmp_path / NAME).symlink_to("other")
    assert note_file.read() is None


def test_removed_note_can_be_written_again(note_file: ResumeNoteFile, tmp_path: Path) -> None:
    note_file.remove()
    note_file.write(LONG_NOTE)
    note_file.remove()
    assert not note_file.written
    assert not (tmp_path / NAME).exists()
    note_file.write(NOTE)
    assert note_file.written
    assert (tmp_path / NAME).read_bytes() == NOTE.to_bytes()


def test_closed_note_is_kept(note_file: ResumeNoteFile, tmp_path: Path) -> None:
    note_file.write(NOTE)
    descriptors = len(os.listdir("/dev/fd"))
    note_file.close()
    note_file.close()
    assert len(os.listdir("/dev/fd")) == descriptors - 1
    assert (tmp_path / NAME).read_bytes() == NOTE.to_bytes()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_note_that_is_no_regular_file_is_ignored(
    make: Callable[[Path], None], tmp_path: Path, folder: int
) -> None:
    make(tmp_path / NAME)
    descriptors = len(os.listdir("/proc/self/fd"))
    assert ResumeNoteFile(NAME, folder).read() is None
    assert len(os.listdir("/proc/self/fd")) == descriptors
