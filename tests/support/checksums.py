"""Checksums as declared by items."""

from __future__ import annotations

import hashlib


def sha256_multihash(data: bytes) -> str:
    """Return the SHA-256 digest of bytes as a multihash, for `file:checksum`."""
    return "1220" + hashlib.sha256(data).hexdigest()
