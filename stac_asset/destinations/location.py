"""The location of a directory or file of a destination: a local path or the URL of an object.

The public functions and the command line convert the `directory` of a user by `location_of`. Plans,
messages and documents contain the text of a location.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

from stac_asset.destinations.directories import directory_path
from stac_asset.errors import DestinationError
from stac_asset.object_store.buckets import SCHEMES, Bucket
from stac_asset.redact import redact_href, unsigned_href

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_URL_AS_PATH = re.compile(r"(s3|gs|az|abfss?):/[^/]")
_MISSPELLED = re.compile(
    r"\s+[a-z][a-z0-9+.-]+://|(s3|gs|az|abfss?)(:/?[^/]|//)|arn:aws[a-z-]*:s3:", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
"""Bucket names, including those of S3-compatible services and of the early years of S3.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

_EXAMPLES = {
    "s3": "'s3://bucket/prefix'",
    "gs": "'gs://bucket/prefix'",
    "az": "'az://container/prefix'",
    "abfs": "'abfs://container@account.dfs.core.windows.net/prefix'",
    "abfss": "'abfss://container@account.dfs.core.windows.net/prefix'",
}
"""Schemes of object stores, with an example."""

_STORES = tuple(f"{scheme}://" for scheme in ("s3", *SCHEMES))


@dataclass(frozen=True, slots=True)
class StorePath:
    """A prefix or an object of an object store, with the methods of `Path` that plans use."""

    store: str
    """The scheme and the bucket, such as `s3://bucket`, or `az://container`."""

    key: str = ""
    """The key, without percent-encoding. Empty for the whole bucket."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the path of a URL.

        Args:
            url: The URL, as `str` returns it.
        """
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        return cls(f"{scheme}://{bucket}", key)

    def __str__(self) -> str:
        return f"{self.store}/{self.key}" if self.key else self.store

    def __truediv__(self, name: str) -> Self:
        return type(self)(self.store, posixpath.join(self.key, name))

    @property
    def name(self) -> str:
        """The part of the key after the last slash."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> Self:
        """The prefix that contains this path."""
        return type(self)(self.store, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> Self:
        """Return the path of another name with the same parent.

        Args:
            name: The name.
        """
        return self.parent / name


Location: TypeAlias = Path | StorePath
"""A directory or file of a destination."""

Place = TypeVar("Place", bound=Location)
"""The kind of location of a plan."""


def location_of(given: os.PathLike[Any] | str, parameter: str = "directory") -> Location:
    """Return the location that a user wrote.

    Args:
        given: A local path, a `file:` URL, or a URL such as `s3://bucket/prefix`.
        parameter: The name of the parameter, for errors.

    Raises:
        DestinationError: The value is empty, or is neither a path on this machine nor the URL of an
            object store of a known kind.
    """
    text = os.fsdecode(given) if isinstance(given, str | os.PathLike) else ""
    if not isinstance(given, str) and _URL_AS_PATH.match(text):
        raise DestinationError(
            f"`{parameter}` {text[:200]!r} is a URL that was converted to a path, which removes a "
            "slash. Pass the URL as a string."
        )
    match = _SCHEME.match(text)
    if match is None and _MISSPELLED.match(text):
        raise DestinationError(
            f"`{parameter}` {text[:200]!r} is no URL of an object store. Write for example "
            f"{_EXAMPLES['s3']}, or start the name of a local directory with './'."
        )
    if match is None or match[1].lower() == "file":
        return directory_path(given, parameter)
    scheme, (authority, _, key) = match[1].lower(), text[match.end() :].partition("/")
    if scheme not in _EXAMPLES:
        raise DestinationError(
            f"`{parameter}` '{match[0]}…' is of a kind that cannot be written. Set `{parameter}` "
            "to a local path, or to a prefix such as 's3://bucket/prefix', 'gs://bucket/prefix' or "
            "'az://container/prefix'."
        )
    store = f"{scheme}://{authority}"
    if not (_BUCKET.fullmatch(authority) if scheme == "s3" else Bucket.parse(store)):
        raise DestinationError(
            f"`{parameter}` '{redact_href(store)}' has no valid bucket name. Write "
            f"{_EXAMPLES[scheme]}, and set credentials and endpoint by the options that start with "
            "`destination_`."
        )
    if "=" in key and unsigned_href(f"{scheme}://{key}") != f"{scheme}://{key}":
        # The signature would be a part of the names of all objects.
        raise DestinationError(
            f"`{parameter}` '{redact_href(text)}' contains a signature. Remove the query from the "
            "URL, and set the credentials by the options that start with `destination_`."
        )
    key = key.rstrip("/")
    is_clean = is_key(key) and not _CONTROL.search(key)
    if key and (any(part in ("", ".", "..") for part in key.split("/")) or not is_clean):
        raise DestinationError(
            f"`{parameter}` {text[:200]!r} has a part that is empty, '.', '..' or no valid "
            "Unicode, or has a control character. Remove this part."
        )
    return StorePath(store, key)


def parsed_location(text: str) -> Location:
    """Return the location of a text in a plan.

    Args:
        text: An absolute path, or the URL of an object store.
    """
    return StorePath.parse(text) if is_store(text) else Path(text)


def is_store(text: str) -> bool:
    """Return whether a location in a plan is the URL of an object store.

    Args:
        text: An absolute path, or the URL of an object store.
    """
    return text.startswith(_STORES)


def absolute(place: Place) -> Place:
    """Return an absolute location without `.` and `..`.

    Args:
        place: The location.
    """
    if isinstance(place, StorePath):
        return place
    return type(place)(os.path.abspath(place))


def inside(directory: Place, name: str) -> Place | None:
    """Return the location of a file of a directory. Files outside have no location.

    Args:
        directory: An absolute location.
        name: The name of the file, relative to the directory. It may contain folders.
    """
    if isinstance(directory, StorePath):
        key = posixpath.normpath(name)
        if key in ("", ".") or key.startswith(("/", "../")) or key == ".." or not is_key(key):
            return None
        return directory / key
    try:
        is_name = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return None
    path = type(directory)(os.path.normpath(directory / name))
    return path if is_name and directory in path.parents else None


def is_key(text: str) -> bool:
    """Return whether a text can be the key of an object, which is valid Unicode.

    Args:
        text: The key.
    """
    return "\0" not in text and not re.search("[\ud800-\udfff]", text)
