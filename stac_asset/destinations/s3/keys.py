"""Internal: the keys of the objects that are written beside a file, without I/O."""

from __future__ import annotations

from collections.abc import Callable

from stac_asset.destinations.buckets.keys import Prefix, fits
from stac_asset.destinations.part_names import (
    extra_note_name,
    lock_name,
    part_names,
    short_name,
)

_MARK = 8
"""Number of characters of a mark in the key of a note."""


def note_key(key: str) -> str:
    """Return the key of the note about the unfinished upload of a file.

    Args:
        key: The key of the file in the bucket.
    """
    return _beside(key, lambda name: part_names(name)[1])


def extra_note_key(key: str, mark: str) -> str:
    """Return the key of the note about an upload, if the note of another run has `note_key`.

    Args:
        key: The key of the file in the bucket.
        mark: The mark of the upload.
    """
    return _beside(key, lambda name: extra_note_name(name, mark[:_MARK]))


def extra_note_start(key: str) -> str:
    """Return the start of the keys that `extra_note_key` returns.

    Args:
        key: The key of the file in the bucket.
    """
    mark = "0" * _MARK
    return extra_note_key(key, mark).partition(f"{mark}.part")[0]


def lease_key(key: str) -> str:
    """Return the key of the lease of a file.

    Args:
        key: The key of the file in the bucket.
    """
    return _beside(key, lambda name: lock_name(part_names(name)[0]))


def _beside(key: str, named: Callable[[str], str]) -> str:
    """Return the key of an object in the folder of a file. A digest replaces a long name."""
    folder, slash, name = key.rpartition("/")
    found = f"{folder}{slash}{named(name)}"
    if fits(found):
        return found
    return f"{folder}{slash}{named(short_name(name))}"


def writable(prefix: Prefix, key: str) -> str:
    """Return the key in the bucket of a file to write, which can have a note beside the file.

    Args:
        prefix: The prefix.
        key: The key in the prefix.

    Raises:
        UnsafePathError: The key leads outside of the prefix, or names no file.
        DestinationError: The key of the file or of the note is too long.
    """
    full = prefix.full(key)
    longest = extra_note_key(full, "0" * _MARK)
    if not fits(longest):
        raise prefix.too_long(longest)
    return full
