"""Internal: the keys of a prefix, without I/O. Destinations and listings use this module."""

from __future__ import annotations

from dataclasses import dataclass

from stac_asset.errors import DestinationError, UnsafePathError

PROBE = ".stac-asset-probe-"
"""Start of the name of an object that shows whether the prefix can be written."""

_MAX_KEY = 1024
"""Maximum length of a key in bytes."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix of a bucket. No key leads outside."""

    bucket: str
    """The URL of the bucket, with a trailing slash."""

    path: str
    """The prefix with a trailing slash, or the empty text for the whole bucket."""

    @property
    def url(self) -> str:
        """The URL of the prefix, with a trailing slash."""
        return self.bucket + self.path

    def key_of(self, location: str) -> str:
        """Return the key of a file.

        Args:
            location: The URL of the file, as plans and reports name it.

        Raises:
            UnsafePathError: The URL is outside of the prefix, or names no file.
        """
        root = self.url
        if not location.startswith(root):
            raise UnsafePathError(f"'{location}' is outside of the destination '{root}'")
        key = location[len(root) :]
        self.full(key)
        return key

    def full(self, key: str) -> str:
        """Return the key in the bucket.

        Args:
            key: The key in the prefix.

        Raises:
            UnsafePathError: The key leads outside of the prefix, or names no file.
            DestinationError: The key is too long.
        """
        if not names_file(key):
            raise UnsafePathError(
                f"the key '{key}' leads outside of the destination '{self.url}', or names no file"
            )
        full = self.path + key
        if not fits(full):
            raise self.too_long(full)
        return full

    def too_long(self, full: str) -> DestinationError:
        """Return the error for a key that is too long.

        Args:
            full: The key in the bucket.
        """
        return DestinationError(
            f"the key of '{(self.bucket + full)[:200]}' is longer than {_MAX_KEY} bytes. "
            "Use a shorter prefix or `path_template`."
        )


def fits(full: str) -> bool:
    """Return whether a key is short enough for object stores.

    Args:
        full: The key in the bucket.
    """
    return len(full.encode(errors="surrogatepass")) <= _MAX_KEY


def names_file(key: str) -> bool:
    """Return whether a key names a file inside of a prefix.

    Args:
        key: The key in the prefix.
    """
    return "\0" not in key and not any(part in ("", ".", "..") for part in key.split("/"))
