"""The files of an origin, by path."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import PurePosixPath
from urllib.parse import parse_qs

from stac_asset.testing.content import content, content_iter, default_size

_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".tiff": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".jp2": "image/jp2",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".xml": "application/xml",
    ".txt": "text/plain",
    ".html": "text/html",
}
_FIRST_DAY, _DAY = 1_577_836_800, 86_400  # 2020-01-01


@dataclass(frozen=True, slots=True)
class Resource:
    """A version of the file at a path."""

    path: str
    size: int
    content_type: str
    etag: str
    """A strong ETag, including the quotes."""
    last_modified: str
    """An HTTP date."""
    version: int = 0
    data: bytes | None = None
    """Explicit content, if the content is not derived from the path."""

    @classmethod
    def generated(
        cls, path: str, size: int, version: int = 0, content_type: str | None = None
    ) -> Resource:
        """Return a file with content derived from path and version."""
        digest = hashlib.blake2b(f"{version}:{size}:{path}".encode(), digest_size=16).digest()
        return cls._of(path, size, version, content_type, digest, None)

    @classmethod
    def given(
        cls, path: str, data: bytes, version: int = 0, content_type: str | None = None
    ) -> Resource:
        """Return a file with these bytes."""
        digest = hashlib.blake2b(data, digest_size=16).digest()
        return cls._of(path, len(data), version, content_type, digest, data)

    @classmethod
    def _of(
        cls,
        path: str,
        size: int,
        version: int,
        content_type: str | None,
        digest: bytes,
        data: bytes | None,
    ) -> Resource:
        # The version adds whole days, and the digest adds less than a day. The date therefore
        # differs between contents, and increases with the version.
        modified = _FIRST_DAY + version * _DAY + int.from_bytes(digest[:4], "big") % _DAY
        return cls(
            path=path,
            size=size,
            content_type=content_type or guess_type(path),
            etag=f'"{digest.hex()}"',
            last_modified=formatdate(modified, usegmt=True),
            version=version,
            data=data,
        )

    def pieces(self, start: int, stop: int, chunk: int) -> Iterator[bytes]:
        """Return the bytes from `start` to `stop` in chunks of at most `chunk` bytes."""
        if self.data is None:
            return content_iter(self.path, self.size, start, stop, self.version, chunk)
        data = self.data[start:stop]
        return (data[position : position + chunk] for position in range(0, len(data), chunk))

    def read(self) -> bytes:
        """Return all bytes."""
        if self.data is not None:
            return self.data
        return content(self.path, self.size, version=self.version)


class Resources:
    """All files of an origin. Not thread safe: the origin holds a lock during calls."""

    def __init__(self, strict: bool) -> None:
        """Create an empty set of files.

        Args:
            strict: Whether only registered paths exist. Otherwise, all paths have derived content.
        """
        self._strict = strict
        self._registered: dict[str, Resource | None] = {}
        self._versions: Counter[str] = Counter()

    def __contains__(self, path: str) -> bool:
        """Return whether the path was put or removed."""
        return path in self._registered

    def put(
        self, path: str, data: bytes | None, size: int | None, content_type: str | None
    ) -> None:
        """Register the file of a path.

        Args:
            path: The decoded path.
            data: The content. Default: content derived from the path.
            size: Size in bytes of derived content. Default: derived from the path.
            content_type: The `Content-Type`. Default: derived from the suffix.

        Raises:
            ValueError: Both `data` and `size` are given, or the size is negative.
        """
        if data is not None and size is not None:
            raise ValueError("`data` and `size` exclude each other: pass one of them")
        if size is not None and size < 0:
            raise ValueError(f"`size` must be at least 0: {size}")
        version = self._versions[path]
        if data is not None:
            self._registered[path] = Resource.given(path, bytes(data), version, content_type)
        else:
            size = default_size(path) if size is None else size
            self._registered[path] = Resource.generated(path, size, version, content_type)

    def remove(self, path: str) -> None:
        """Remove the file of a path, so that requests get 404."""
        self._registered[path] = None

    def change(self, path: str) -> None:
        """Replace the file of a path by the next version: other derived bytes of the same size."""
        self._versions[path] += 1
        old = self._registered.get(path)
        if old is not None:
            self._registered[path] = Resource.generated(
                path, old.size, self._versions[path], old.content_type
            )

    def find(self, path: str, query: str = "") -> Resource | None:
        """Return the current file of a path, if there is a file.

        Args:
            path: The decoded path.
            query: The query. `size=N` sets the size in bytes of a path that is not registered.
        """
        if path in self._registered:
            return self._registered[path]
        if self._strict:
            return None
        given = parse_qs(query).get("size", [""])[-1]
        size = int(given) if re.fullmatch("[0-9]{1,18}", given) else default_size(path)
        return Resource.generated(path, size, self._versions[path])


def guess_type(path: str) -> str:
    """Return the content type for the suffix of a path."""
    return _TYPES.get(PurePosixPath(path).suffix.lower(), "application/octet-stream")
