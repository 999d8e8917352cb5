"""Keys of the objects that are written beside a file."""

from __future__ import annotations

import pytest

from stac_asset.destinations.buckets.keys import Prefix
from stac_asset.destinations.part_names import is_part_name, is_part_of
from stac_asset.destinations.s3.keys import (
    extra_note_key,
    extra_note_start,
    lease_key,
    note_key,
    writable,
)
from stac_asset.errors import DestinationError

PREFIX = Prefix("s3://bucket/", "p/")
LONGEST = "d" * 985 + "/"
"""The longest folder with valid keys of notes."""


@pytest.mark.parametrize("folder", ["", "d" * 900 + "/", LONGEST])
@pytest.mark.parametrize("name", ["a.tif", "n" * 27, "ü" * 50, "n" * 200])
def test_notes_and_leases_have_valid_keys(folder: str, name: str) -> None:
    key = (folder + name).encode()[: 1024 - len("p/")].decode(errors="ignore")
    full = writable(PREFIX, key)
    file = full.rpartition("/")[2]
    assert extra_note_key(full, "0123abcdef").startswith(extra_note_start(full))
    for beside in (note_key, lease_key, lambda key: extra_note_key(key, "0123abcdef")):
        found = beside(full)
        assert len(found.encode()) <= 1024
        assert found.rpartition("/")[0] == full.rpartition("/")[0]
        name = found.rpartition("/")[2]
        assert is_part_name(name)
        assert is_part_of(name, [file])
        assert not is_part_of(name, ["other.tif", file[:-1]])
        assert found != beside(full[:-1] + "x")


def test_existing_object_with_a_long_key_can_be_read() -> None:
    key = f"{LONGEST[:-1]}dd/a-name-of-20-bytes.f"
    assert PREFIX.full(key) == f"p/{key}"
    with pytest.raises(DestinationError, match="longer than 1024 bytes"):
        writable(PREFIX, key)
    with pytest.raises(DestinationError, match="longer than 1024 bytes"):
        PREFIX.full(key + "f" * 19)
