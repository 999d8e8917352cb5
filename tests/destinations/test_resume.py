"""The decision how much of a part file is resumed, and the notes that it is based on."""

from __future__ import annotations

import json

import pytest

from stac_asset.destinations import MissingRanges
from stac_asset.destinations.local.resume import Resume, resume
from stac_asset.destinations.local.resume_note import ResumeNote


def note(size: int | None = 100, missing: MissingRanges | None = None) -> ResumeNote:
    return ResumeNote("source", "etag", size, missing)


@pytest.mark.parametrize(
    ("given", "source", "found", "declared", "expected"),
    [
        (note(), "source", 40, None, Resume(40, "etag", 100)),
        (note(), "source", 40, 100, Resume(40, "etag", 100)),
        (note(), "source", 100, None, Resume(99, "etag", 100, truncate=True)),
        (note(None), "source", 40, None, Resume(39, "etag", None, truncate=True)),
        (note(), "source", 101, None, None),
        (note(), "other", 40, None, None),
        (note(), "source", 40, 99, None),
        (note(), "source", 0, None, None),
        (note(None), "source", 1, None, None),
        (None, "source", 40, None, None),
    ],
)
def test_usable_part(
    given: ResumeNote | None, source: str, found: int, declared: int | None, expected: Resume | None
) -> None:
    assert resume(given, source, found, declared) == expected


def test_missing_ranges_are_resumed_if_the_part_file_can_hold_the_others() -> None:
    def missing() -> MissingRanges:
        return MissingRanges.parse(100, [(10, 20), (50, 100)])

    usable = resume(note(missing=missing()), "source", 50, None)
    assert usable is not None
    assert usable.missing is not None
    assert (usable.offset, usable.missing.spans()) == (40, [(10, 20), (50, 100)])
    assert resume(note(missing=missing()), "source", 49, None) is None


def test_last_byte_is_requested_again() -> None:
    usable = resume(note(missing=MissingRanges.parse(100, [])), "source", 100, None)
    assert usable is not None
    assert usable.missing is not None
    assert (usable.offset, usable.missing.spans()) == (99, [(99, 100)])


@pytest.mark.parametrize("missing", [None, MissingRanges.parse(100, [(1, 2)])])
def test_notes_are_read_as_written(missing: MissingRanges | None) -> None:
    parsed = ResumeNote.parse(note(missing=missing).to_bytes() + b"   ")
    assert parsed is not None
    assert parsed.to_bytes() == note(missing=missing).to_bytes()


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
def test_invalid_notes_are_ignored(data: bytes | dict[str, object]) -> None:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    assert ResumeNote.parse(text) is None
