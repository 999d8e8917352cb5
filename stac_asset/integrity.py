"""Internal: parse and compute checksums in the multihash format of the STAC file extension.

Specifications: https://github.com/stac-extensions/file (2.1) and https://multiformats.io/multihash/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

_SHA2_256 = 0x12
_MIN_DIGEST_BYTES = 4
"""Minimum length of a truncated digest. Shorter digests are rejected as too weak."""

_PLAIN_DIGEST_BYTES = frozenset({16, 20, 28, 32, 48, 64})
"""Lengths of plain digests, in bytes.

About one in 8,000 plain MD5 digests looks like a truncated multihash. Truncated multihashes of
these total lengths are therefore rejected.
"""


class Hash(Protocol):
    """An incremental digest, such as the objects of `hashlib`."""

    @property
    def digest_size(self) -> int:
        """Length of the digest, in bytes."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """Return the digest of the bytes added so far."""

    def copy(self) -> Hash:
        """Return another digest of the bytes added so far."""


def _algorithms() -> dict[int, Callable[[], Hash]]:
    named = {
        0x11: "sha1",
        _SHA2_256: "sha256",
        0x13: "sha512",
        0x14: "sha3_512",
        0x15: "sha3_384",
        0x16: "sha3_256",
        0x17: "sha3_224",
        0x20: "sha384",
        0xD5: "md5",
    }
    table: dict[int, Callable[[], Hash]] = {}
    for code, name in named.items():
        table[code] = partial(hashlib.new, name, usedforsecurity=False)
    for size in range(1, 65):
        table[0xB200 + size] = partial(hashlib.blake2b, digest_size=size)
    for size in range(1, 33):
        table[0xB240 + size] = partial(hashlib.blake2s, digest_size=size)
    return table


_ALGORITHMS = _algorithms()


@dataclass(frozen=True, slots=True)
class Multihash:
    """A digest with an algorithm code."""

    code: int
    """The multicodec code of a supported algorithm."""

    digest: bytes
    """The digest. A truncated digest matches all digests that start with the same bytes."""

    @staticmethod
    def parse(text: object) -> Multihash | None:
        """Parse a `file:checksum` value. Return None for other values.

        Some catalogs write plain MD5 digests or ETags into this field. Such values, and multihashes
        of unsupported algorithms, are ignored rather than treated as errors.

        Args:
            text: The value of the field.
        """
        if not isinstance(text, str):
            return None
        try:
            data = bytes.fromhex(text)
        except ValueError:
            return None
        code, rest = _read_varint(data)
        length, digest = _read_varint(rest)
        if code not in _ALGORITHMS or length != len(digest) or length < _MIN_DIGEST_BYTES:
            return None
        full = _digest_size(code)
        if length > full or (length < full and len(data) in _PLAIN_DIGEST_BYTES):
            return None
        return Multihash(code, digest)

    def matches(self, digest: bytes) -> bool:
        """Return whether a full digest of the same algorithm matches this multihash."""
        return digest[: len(self.digest)] == self.digest

    def agrees(self, other: Multihash) -> bool:
        """Return whether another multihash can be of the same content. Either may be truncated.

        Args:
            other: A multihash of the same algorithm.
        """
        return self.matches(other.digest) or other.matches(self.digest)

    def __str__(self) -> str:
        return (_varint(self.code) + _varint(len(self.digest)) + self.digest).hex()


def new_hash(expected: Multihash | None = None) -> tuple[int, Hash]:
    """Return the code of an algorithm, and a new incremental digest.

    Args:
        expected: The multihash to verify against, whose algorithm is used. Default: SHA2-256.
    """
    code = expected.code if expected else _SHA2_256
    return code, _ALGORITHMS[code]()


@cache
def _digest_size(code: int) -> int:
    return _ALGORITHMS[code]().digest_size


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes) -> tuple[int, bytes]:
    if data and data[0] < 0x80:  # Most codes and lengths have one byte.
        return data[0], data[1:]
    value = 0
    for index, byte in enumerate(data[:9]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, data[index + 1 :]
    return -1, b""
