"""The decision how much of a part file is resumed."""

from __future__ import annotations

import pytest

from stac_asset.destinations import MissingRanges
from stac_asset.destinations.local.resume import Resume, resume
from stac_asset.destinations.local.resume_note import ResumeNote


def resume_note(size: int | None = 100, missing: MissingRanges | None = None) -> ResumeNote:
    """Return a note of the source `source`."""
    return ResumeNote("source", "etag", size, missing)


@pytest.mark.parametrize(
    ("note", "source", "found", "declared", "expected"),
    [
        (resume_note(), "source", 40, None, Resume(40, "etag", 100)),
        (resume_note(), "source", 40, 100, Resume(40, "etag", 100)),
        (resume_note(), "source", 100, None, Resume(99, "etag", 100, truncate=True)),
        (resume_note(None), "source", 40, None, Resume(39, "etag", None, truncate=True)),
        (resume_note(), "source", 101, None, None),
        (resume_note(), "other", 40, None, None),
        (resume_note(), "source", 40, 99, None),
        (resume_note(), "source", 0, None, None),
        (resume_note(None), "source", 1, None, None),
        (None, "source", 40, None, None),
    ],
)
def test_usable_part_of_part_file(
    note: ResumeNote | None, source: str, found: int, declared: int | None, expected: Resume | None
) -> None:
    assert resume(note, source, found, declared) == expected


def test_missing_ranges_are_resumed_if_part_file_holds_received_ranges() -> None:
    def missing() -> MissingRanges:
        return MissingRanges.parse(100, [(10, 20), (50, 100)])

    usable = resume(resume_note(missing=missing()), "source", 50, None)
    assert usable is not None
    assert usable.missing is not None
    assert (usable.offset, usable.missing.spans()) == (40, [(10, 20), (50, 100)])
    assert resume(resume_note(missing=missing()), "source", 49, None) is None


def test_last_byte_is_requested_again() -> None:
    usable = resume(resume_note(missing=MissingRanges.parse(100, [])), "source", 100, None)
    assert usable is not None
    assert usable.missing is not None
    assert (usable.offset, usable.missing.spans()) == (99, [(99, 100)])
