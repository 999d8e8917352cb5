"""Keys of Google Cloud Storage and Azure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.destinations.object_store.keys import ObjectStorePrefix
from stac_asset.errors import DestinationError, UnsafePathError
from tests.support.object_stores import PREFIX, AzureContainer, GcsBucket

AZURE = ObjectStorePrefix("az://container/", "mirror/")
GCS = ObjectStorePrefix("gs://bucket/", "mirror/")
KEYS = [
    "a%41#?.tif",
    "a b+&;.tif",
    "größe ✓.tif",
    "😀..tif",
    "%2e%2e/a.tif",
    "~/a*|^`{}.tif",
    "...",
]


def test_backslash_is_refused_where_it_is_a_slash() -> None:
    for key in ("..\\..\\a.tif", "a\\b.tif"):
        with pytest.raises(UnsafePathError, match="backslash"):
            AZURE.full(key)
        assert GCS.full(key) == f"mirror/{key}"


@pytest.mark.parametrize("prefix", [AZURE, GCS])
def test_control_character_is_refused(prefix: ObjectStorePrefix) -> None:
    for key in ("a\tb.tif", "a\x7f.tif", "a\n/b.tif"):
        with pytest.raises(DestinationError, match="control character"):
            prefix.full(key)


@given(st.text(max_size=20))
def test_key_is_inside_of_the_prefix(key: str) -> None:
    for prefix in (AZURE, GCS):
        try:
            full = prefix.full(key)
        except (UnsafePathError, DestinationError):
            continue
        parts = full.replace("\\", "/" if prefix is AZURE else "").split("/")
        assert full.startswith("mirror/")
        assert not {"", ".", ".."} & set(full.split("/") if prefix is GCS else parts)


async def test_special_characters_are_part_of_the_key(bucket: GcsBucket | AzureContainer) -> None:
    destination = bucket.destination()
    for key in KEYS:
        version = await destination.write(key, key.encode())
        read = await destination.read(key)
        assert read is not None
        assert (read.data, read.version) == (key.encode(), version)
    assert {file.key async for file in destination.list_files()} == set(KEYS)


async def test_object_that_obstore_cannot_list_is_explained(gcs_bucket: GcsBucket) -> None:
    gcs_bucket.service.put(f"{PREFIX}/a/../b.tif", b"")
    with pytest.raises(DestinationError, match="a name that obstore cannot read"):
        [file async for file in gcs_bucket.destination().list_files()]
