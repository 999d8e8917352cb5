"""Digests of complete files, and of part files that grow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stac_asset.destinations.local.digest import FollowingDigest, file_digest
from stac_asset.integrity import Multihash

MIB = 1024 * 1024
MD5 = Multihash(0xD5, bytes(16))
SHA1 = Multihash(0x11, bytes(20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a part file."""
    path = tmp_path / "part"
    path.touch()
    return path


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    """A descriptor of the part file."""
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_shortened_file_is_an_error(path: Path, fd: int) -> None:
    path.write_bytes(bytes(10))
    digest = FollowingDigest(fd, None)
    digest.follow(10)
    assert digest.multihash().digest == hashlib.sha256(bytes(10)).digest()
    with pytest.raises(OSError, match="shortened"):
        digest.follow(11)


def test_digest_of_followed_and_updated_bytes(path: Path, fd: int) -> None:
    path.write_bytes(b"012345")
    digest = FollowingDigest(fd, MD5)
    digest.follow(3)
    assert digest.position == 3
    # Bytes in memory count as the next bytes of the file, and are not read from the file.
    digest.update(memoryview(b"ab"))
    assert digest.position == 5
    digest.follow(6)
    assert digest.position == 6
    assert digest.multihash() == Multihash(0xD5, hashlib.md5(b"012ab5").digest())


def test_follow_ignores_hashed_bytes(path: Path, fd: int) -> None:
    path.write_bytes(b"012345")
    digest = FollowingDigest(fd, None)
    digest.follow(6)
    digest.follow(4)
    assert digest.position == 6
    assert digest.multihash().digest == hashlib.sha256(b"012345").digest()


def test_follow_reads_at_most_32_mib(path: Path, fd: int) -> None:
    os.truncate(path, 33 * MIB)
    digest = FollowingDigest(fd, SHA1)
    digest.follow(33 * MIB)
    assert digest.position == 32 * MIB
    digest.follow(33 * MIB)
    assert digest.position == 33 * MIB


@pytest.mark.parametrize("size", [0, 10, MIB, MIB + 1, 2 * MIB + 5])
def test_digest_of_complete_file(path: Path, size: int) -> None:
    data = os.urandom(size)
    path.write_bytes(data)
    assert file_digest(path, SHA1) == hashlib.sha1(data).digest()


def test_file_digest_closes_descriptor(path: Path) -> None:
    path.write_bytes(b"data")
    fd = os.open(path, os.O_RDONLY)
    assert file_digest(fd, MD5) == hashlib.md5(b"data").digest()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_stopped_file_digest_reads_no_further_block(path: Path) -> None:
    path.write_bytes(bytes(3 * MIB))
    stops = iter([False, True])
    assert file_digest(path, MD5, lambda: next(stops)) == hashlib.md5(bytes(MIB)).digest()
