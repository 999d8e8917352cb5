"""Generated content: stable, random access, and dependent on the path."""

from __future__ import annotations

import hashlib

import pytest

from stac_asset.testing import content, content_iter, default_size

BLOCK = 65536
"""Size of a block of generated content, in bytes."""


def test_content_is_stable_across_processes_and_releases() -> None:
    digest = hashlib.sha256(content("/a/b.tif", 200_000, version=1)).hexdigest()
    assert digest == "c3a2aacec555a58765a0c2818daa183eeed114a49447978d8a05c85167dd5a89"


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 1), (7, 9), (BLOCK - 1, BLOCK + 1), (5, 3 * BLOCK + 5), (BLOCK, 2 * BLOCK)],
)
def test_range_of_content_equals_slice(start: int, stop: int | None) -> None:
    size = 4 * BLOCK + 17
    whole = content("/a", size)
    assert len(whole) == size
    assert content("/a", size, start, stop) == whole[start:stop]
    assert b"".join(content_iter("/a", size, start, stop, chunk=1000)) == whole[start:stop]


def test_content_depends_on_path_version_and_offset() -> None:
    whole = content("/a", 8 * BLOCK)
    assert content("a", 8 * BLOCK) == whole
    assert content("/b", 100) != whole[:100]
    assert content("/a", 1, version=1) + content("/b", 1) != whole[:1] * 2
    assert content("/a", 100, version=1) != whole[:100]
    blocks = [whole[i : i + BLOCK] for i in range(0, len(whole), BLOCK)]
    assert len({block[:16] for block in blocks}) == len({block[-16:] for block in blocks}) == 8
    for shift in (1, 8, 512, 4096, BLOCK):
        same = sum(a == b for a, b in zip(whole, whole[shift:], strict=False))
        assert same < len(whole) / 50


def test_content_ends_at_size() -> None:
    assert content("/a", 10, 5, 50) == content("/a", 10)[5:]
    assert content("/a", 10, 10) == b""
    assert list(content_iter("/a", 0)) == []
    with pytest.raises(ValueError, match="at least 0"):
        content("/a", -1)


def test_default_size_depends_on_path() -> None:
    sizes = [default_size(f"/{number}") for number in range(300)]
    assert all(1024 <= size <= 65536 for size in sizes)
    assert len(set(sizes)) > 250
    assert default_size("0") == sizes[0]
