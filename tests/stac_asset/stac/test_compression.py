"""Compressed documents, recognized by the first bytes and bounded in size."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.stac.compression import decompressed, open_decompressed

DATA = json.dumps({"features": list(range(50_000))}).encode()
GZIP = gzip.compress(DATA)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (DATA, None),
        (DATA, "gzip"),  # A proxy decompressed the body, and kept the header.
        (DATA, "deflate"),
        (GZIP, None),
        (GZIP, "gzip"),
        (GZIP, "identity"),
        (gzip.compress(GZIP), "gzip"),  # A `.json.gz`, compressed on the way.
        (gzip.compress(DATA[:9]) + gzip.compress(DATA[9:]), None),
        (GZIP + b"\0" * 512, None),
        (zlib.compress(DATA), "deflate"),
        (zlib.compress(DATA), None),
        (raw_deflate(DATA), "deflate"),
    ],
)
def test_compressed_document_is_read(data: bytes, encoding: str | None, tmp_path: Path) -> None:
    assert decompressed(data, encoding) == DATA
    if encoding is None:
        path = tmp_path / "items"
        path.write_bytes(data)
        with open_decompressed(path) as file:
            assert file.read() == DATA


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GZIP[:-4], "incomplete"),
        (GZIP[:200], "incomplete"),
        (GZIP[:200] + b"damage" + GZIP[206:], "damaged"),
        (b"\x1f\x8b", "incomplete"),
        (b"\x28\xb5\x2f\xfd....", "'zstd', which is not supported"),
    ],
)
def test_unreadable_compression_is_an_error(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decompressed(data)


def test_unsupported_encoding_is_an_error() -> None:
    with pytest.raises(ValueError, match="compressed with 'br', which is not supported"):
        decompressed(b"\x8b\x02\x80", "br")


def test_document_that_expands_without_bound_is_refused(tmp_path: Path) -> None:
    compressor = zlib.compressobj(wbits=31)
    block = b" " * 1024 * 1024
    bomb = b"".join(compressor.compress(block) for _ in range(200)) + compressor.flush()
    with pytest.raises(ValueError, match="expands to more than 150 times its size"):
        decompressed(bomb)
    path = tmp_path / "items.json.gz"
    path.write_bytes(bomb)
    with (
        open_decompressed(path) as file,
        pytest.raises(ValueError, match="expands to more than 150 times its size"),
    ):
        file.read()
    with pytest.raises(ValueError, match="larger than 1,000 bytes"):
        decompressed(GZIP, limit=1000)


@given(st.binary(), st.sampled_from([None, "gzip", "deflate", "br"]))
def test_any_bytes_are_returned_or_refused(data: bytes, encoding: str | None) -> None:
    try:
        found = decompressed(data, encoding)
    except ValueError:
        return
    assert isinstance(found, bytes)
