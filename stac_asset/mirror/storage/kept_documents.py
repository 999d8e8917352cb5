"""Internal: documents of a mirror in a store that the run has read or written.

The GeoParquet file is made from all item documents, and some mirrors need several passes. The
documents are kept in a temporary file, so that each document is requested at most once.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress


class KeptDocuments:
    """Documents in a temporary file. Different threads may use the methods at the same time."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 # closed by `close`
        self._end = 0
        self._places: dict[str, tuple[int | str, int, int]] = {}
        """Version, offset and size in bytes of each document, by path."""

    def keep(self, path: str, version: int | str, data: bytes) -> None:
        """Keep a document. Call this method in the event loop only.

        A document that does not fit on the disk is not kept.

        Args:
            path: The path of the document.
            version: The version of the document.
            data: The content.
        """
        before = self._places.get(path)
        if before is not None and before[0] == version:
            return
        with suppress(OSError, ValueError):  # A cancelled read can end after `close`.
            if os.pwrite(self._file.fileno(), data, self._end) == len(data):
                self._places[path] = version, self._end, len(data)
                self._end += len(data)

    def get(self, path: str, version: int | str) -> bytes | None:
        """Return a document, if kept in this version.

        Args:
            path: The path of the document.
            version: The version.
        """
        kept, offset, size = self._places.get(path, (None, 0, 0))
        if kept != version:
            return None
        data = os.pread(self._file.fileno(), size, offset)
        return data if len(data) == size else None

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()
