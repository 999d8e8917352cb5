"""Internal: decompress documents, whatever the server or the file name declares.

Servers send compressed documents with `Content-Encoding`, with another media type, or without any
sign. So gzip and zlib are recognized by the first bytes. The size of the result is limited, because
a small file can expand to more data than fits in memory.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAX_DOCUMENT = 256 * 1024 * 1024
"""Maximum size of a decompressed document, in bytes."""

_MAX_RATIO = 150
"""Maximum ratio of decompressed size to compressed size.

Real item collections reach about 50, and the maximum of deflate is 1,032."""

_UNCHECKED = 32 * 1024 * 1024
"""Number of decompressed bytes before the ratio is checked."""

_CHUNK = 256 * 1024
"""Number of compressed bytes per read."""

_MAX_LAYERS = 3
"""Maximum number of nested compressions, such as a `.json.gz` that is sent as gzip."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def decompressed(data: bytes, encoding: str | None = None, limit: int = MAX_DOCUMENT) -> bytes:
    """Return the uncompressed content of a document.

    Args:
        data: The document, compressed or not.
        encoding: The `Content-Encoding` of the response, if any.
        limit: Maximum size of the result, in bytes.

    Raises:
        ValueError: The data is incomplete, damaged or too large, or its compression is not
            supported.
    """
    for _ in range(_MAX_LAYERS):
        if not is_compressed(data, encoding):
            return data
        with _Decompressed(io.BytesIO(data), encoding) as stream:
            data, encoding = stream.read(limit + 1), None
        if len(data) > limit:
            raise ValueError(f"the decompressed content is larger than {limit:,} bytes")
    return data


def is_compressed(start: bytes, encoding: str | None = None) -> bool:
    """Return whether data is compressed.

    Args:
        start: At least the first four bytes of the data.
        encoding: The `Content-Encoding` of the response, if any.

    Raises:
        ValueError: The compression is not supported.
    """
    if start[:2] == _GZIP or _is_zlib(start):
        return True
    name = (encoding or "").strip().lower()
    if start[:4] == _ZSTD or name in ("br", "zstd", "compress"):
        name = name if start[:4] != _ZSTD else "zstd"
        raise ValueError(f"the content is compressed with '{name}', which is not supported")
    # The rest is "raw" deflate. Uncompressed JSON and XML are sent with this header by mistake.
    return name == "deflate" and start.lstrip()[:1] not in (b"{", b"[", b"<", b"")


def open_decompressed(path: Path) -> io.BufferedReader:
    """Open a file for reading. A compressed file is decompressed while it is read.

    Args:
        path: The file.

    Returns:
        A stream of the uncompressed bytes. Reading raises ValueError if the file is damaged, or
        expands to an unreasonable size.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The compression is not supported.
    """
    file = path.open("rb")
    try:
        if not is_compressed(file.peek(4)):
            return file
        return io.BufferedReader(_Decompressed(file, None), _CHUNK)
    except BaseException:
        file.close()
        raise


class _Decompressed(io.RawIOBase):
    """The uncompressed bytes of a stream in gzip, zlib or deflate format.

    Args:
        file: The compressed stream, which is closed with this stream.
        encoding: The `Content-Encoding`, if any.
    """

    def __init__(self, file: BinaryIO, encoding: str | None) -> None:
        self._file = file
        self._chunks = self._decompress()
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close both streams."""
        self._file.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes: fewer only at the end of the stream.

        Args:
            size: Maximum number of bytes. -1 means all bytes.
        """
        parts = []
        missing = size
        while missing:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    break
            part = self._rest if missing < 0 else self._rest[:missing]
            self._rest = self._rest[len(part) :]
            parts.append(part)
            missing -= len(part) if missing > 0 else 0
        return b"".join(parts)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read bytes into a buffer, and return the number of bytes.

        Args:
            buffer: The buffer.
        """
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _decompress(self) -> Iterator[bytes]:
        taken, given = 0, 0
        data = self._file.read(_CHUNK)
        taken += len(data)
        wbits = 31 if data[:2] == _GZIP else zlib.MAX_WBITS if _is_zlib(data) else -zlib.MAX_WBITS
        engine = zlib.decompressobj(wbits)
        while data or not engine.eof:
            try:
                block = engine.decompress(data, _CHUNK)
            except zlib.error:
                raise ValueError("the compressed content is damaged") from None
            given += len(block)
            if given > _UNCHECKED and given > taken * _MAX_RATIO:
                raise ValueError(f"the content expands to more than {_MAX_RATIO} times its size")
            if block:
                yield block
            data = engine.unconsumed_tail
            if engine.eof:
                # A gzip file can have several members. Other bytes after the end are padding.
                data = engine.unused_data
                if len(data) < 2:
                    more = self._file.read(_CHUNK)
                    data, taken = data + more, taken + len(more)
                if data[:2] != _GZIP:
                    return
                engine = zlib.decompressobj(wbits)
            elif not data:
                data = self._file.read(_CHUNK)
                taken += len(data)
                if not data and not block:
                    raise ValueError("the compressed content is incomplete")


def _is_zlib(start: bytes) -> bool:
    """Return whether data starts with the header of the zlib format (RFC 1950).

    The first letter of the header is `x`, which JSON and other texts rarely start with.
    """
    return len(start) >= 2 and start[0] == 0x78 and (start[0] << 8 | start[1]) % 31 == 0
