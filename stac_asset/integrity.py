"""Checksums: multihashes as the file extension writes them, and their verification.

Source: https://github.com/stac-extensions/file (2.1) and https://multiformats.io/multihash/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

_SHA2_256 = 0x12
_SHORTEST = 4
"""Digests cut to fewer bytes prove nothing, and are taken for none."""

_BARE = frozenset({16, 20, 28, 32, 48, 64})
"""Bytes of bare digests. One MD5 in some thousands begins like a multihash that was cut."""


class Hash(Protocol):
    """A running digest, as `hashlib` makes it."""

    @property
    def digest_size(self) -> int:
        """Bytes of the digest."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Takes further bytes."""

    def digest(self) -> bytes:
        """Returns the digest of all bytes so far."""


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
    """A digest, and how it was made."""

    code: int
    """The algorithm's multicodec code, one of those that can be computed here."""

    digest: bytes
    """The digest; it may be cut, and then stands for every digest that begins with it."""

    @staticmethod
    def parse(text: object) -> Multihash | None:
        """Returns the multihash that a `file:checksum` holds, or None where it holds none.

        Real catalogs put bare MD5 digests and ETags there too: what is no multihash of a known
        algorithm can't be verified, which is no error.

        Args:
            text: What stands in the field.
        """
        if not isinstance(text, str):
            return None
        try:
            data = bytes.fromhex(text)
        except ValueError:
            return None
        code, rest = _read_varint(data)
        length, digest = _read_varint(rest)
        if code not in _ALGORITHMS or length != len(digest) or length < _SHORTEST:
            return None
        whole = _ALGORITHMS[code]().digest_size
        if length > whole or (length < whole and len(data) in _BARE):
            return None
        return Multihash(code, digest)

    def matches(self, digest: bytes) -> bool:
        """Returns whether a whole digest of the same algorithm is the one that this names."""
        return digest[: len(self.digest)] == self.digest

    def __str__(self) -> str:
        return (_varint(self.code) + _varint(len(self.digest)) + self.digest).hex()


def new_hash(expected: Multihash | None = None) -> tuple[int, Hash]:
    """Returns the code of an algorithm and a running digest of it.

    Args:
        expected: The multihash to verify against; without one the digest is SHA2-256.
    """
    code = expected.code if expected else _SHA2_256
    return code, _ALGORITHMS[code]()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes) -> tuple[int, bytes]:
    value = 0
    for index, byte in enumerate(data[:9]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, data[index + 1 :]
    return -1, b""
