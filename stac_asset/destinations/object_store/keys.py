"""Internal: the keys of a prefix that obstore and the services accept, without I/O."""

from __future__ import annotations

import re

from stac_asset.destinations.buckets.keys import Prefix
from stac_asset.errors import DestinationError, UnsafePathError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Control characters, which obstore refuses."""


class ObjectStorePrefix(Prefix):
    """A prefix of a bucket or container. No key leads outside."""

    __slots__ = ()

    def full(self, key: str) -> str:
        """Return the key in the bucket.

        Args:
            key: The key in the prefix.

        Raises:
            UnsafePathError: The key leads outside of the prefix, or names no file.
            DestinationError: The key is too long, or contains a control character.
        """
        full = super().full(key)
        if "\\" in key and not self.bucket.startswith("gs://"):
            # Azure takes a backslash for a slash, so that `..\` could lead outside.
            raise UnsafePathError(
                f"the key '{key}' contains a backslash, which Azure takes for a slash. Use another "
                "name"
            )
        if _CONTROL.search(key):
            raise DestinationError(
                f"the key {key!r} contains a control character, which cannot be written. Use "
                "another name"
            )
        return full
