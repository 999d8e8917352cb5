"""Internal: detects compressed responses of unknown length that end early.

Some servers compress files although the request forbids compression. The compressed bytes are
stored, and their end is the only sign that all bytes arrived.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from yarl import URL

from stac_asset.errors import TruncatedError
from stac_asset.redact import redact_href

_MAX_UNPACKED = 1024 * 1024
"""Maximum number of bytes to decompress at once. The limit bounds the memory."""


async def with_complete_gzip(
    chunks: AsyncIterator[bytes | memoryview], encoding: str, href: URL | str
) -> AsyncIterator[bytes | memoryview]:
    """Yield the chunks of a response unchanged. Raise an error at the end if bytes are missing.

    Args:
        chunks: The chunks from the start of the body.
        encoding: The `Content-Encoding` header. Bodies with another encoding than gzip are not
            examined.
        href: The requested URL, for the error.

    Yields:
        A chunk of the body.

    Raises:
        TruncatedError: The body ended before the end of the gzip data.
    """
    is_gzip = encoding.strip().lower() in ("gzip", "x-gzip")
    decompressor = zlib.decompressobj(wbits=31) if is_gzip else None
    async for chunk in chunks:
        if decompressor is not None and not _unpack(decompressor, chunk):
            decompressor = None
        yield chunk
    if decompressor is not None and not decompressor.eof:
        raise TruncatedError(f"{redact_href(href)} ended before the end of its gzip data")


def _unpack(decompressor: zlib._Decompress, chunk: bytes | memoryview) -> bool:
    """Decompress a chunk without keeping the result, and return whether the data is gzip."""
    try:
        while chunk and not decompressor.eof:
            decompressor.decompress(chunk, _MAX_UNPACKED)
            chunk = decompressor.unconsumed_tail
    except zlib.error:
        return False
    return True
