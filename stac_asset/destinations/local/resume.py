"""Decides how many bytes of a part file can be resumed, without I/O. Uploads call `resume`."""

from __future__ import annotations

from dataclasses import dataclass

from stac_asset.destinations.local.resume_note import ResumeNote
from stac_asset.destinations.missing_ranges import MissingRanges


@dataclass(frozen=True, slots=True)
class Resume:
    """The usable part of a part file."""

    offset: int
    """Number of received bytes."""

    validator: str
    """The identifier of the version of these bytes at the source."""

    size: int | None
    """Size of the complete file in bytes, if known."""

    missing: MissingRanges | None = None
    """Missing byte ranges, if the file arrives in several ranges."""

    truncate: bool = False
    """Whether the part file must be shortened to `offset`."""


def resume(
    note: ResumeNote | None, source: str, found: int, declared_size: int | None
) -> Resume | None:
    """Return the usable part of a part file, if any.

    At least one byte is always requested, even if all bytes were received. The response shows
    whether the source still has the same version. Sources refuse ranges beyond the end.

    Args:
        note: The resume note, if there is a valid one.
        source: Digest of the source's identity.
        found: Size of the part file in bytes.
        declared_size: Size in bytes that the item declares, if any.
    """
    if note is None or not found or note.source != source:
        return None
    if declared_size is not None and note.size not in (None, declared_size):
        return None
    if note.missing is not None:
        if not note.missing.fits(found):
            return None
        note.missing.request_last_byte_again()
        return Resume(note.missing.received, note.validator, note.size, note.missing)
    if note.size is not None and found > note.size:
        return None
    if note.size is None or found == note.size:
        if found == 1:
            return None
        return Resume(found - 1, note.validator, note.size, truncate=True)
    return Resume(found, note.validator, note.size)
