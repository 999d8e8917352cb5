"""Internal: the response of a client, made from an open HTTP response.

The HTTP clients and the S3 client use `opened`, so that both read bodies in the same way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

import aiohttp
from aiohttp import ClientResponse, hdrs
from yarl import URL

from stac_asset.clients.http import headers
from stac_asset.clients.http.body import MIN_DIRECT, DirectBody
from stac_asset.clients.http.compression import with_complete_gzip
from stac_asset.clients.http.piped_body import PipedBody
from stac_asset.clients.requested_wait import wait_after_success
from stac_asset.error_mapping import mapped_errors
from stac_asset.pipes import Chunk
from stac_asset.transfer.interface import Response


def opened(
    response: ClientResponse,
    href: URL | str,
    validator: str | None,
    is_part: bool,
    is_direct: bool = False,
) -> Response:
    """Return the response of a client with the chunks of an open HTTP response.

    Args:
        response: A response with status 200 or 206.
        href: The requested href, for errors.
        validator: The identifier of the version, for later requests.
        is_part: Whether the response contains a part of the file.
        is_direct: Whether a large body may arrive as views of reused memory. The caller must end
            stalled responses.

    Raises:
        RangeError: The response is partial, and its range is invalid.
    """
    offset, end, size = headers.extent(response, href, is_part)
    encoding = response.headers.get(hdrs.CONTENT_ENCODING)
    body = DirectBody if is_direct else None
    chunks = cast(AsyncIterator[bytes | memoryview], _read_chunks(response, href, body))
    if size is None and encoding is not None:
        chunks = with_complete_gzip(chunks, encoding, href)
    is_piped = is_direct and size is not None and size >= MIN_DIRECT
    return Response(
        chunks,
        offset,
        size,
        validator,
        headers.supports_ranges(response),
        end,
        encoding=encoding,
        wait=wait_after_success(response.headers),
        content_type=response.headers.get(hdrs.CONTENT_TYPE),
        ends_with_connection=size is None and not headers.has_checked_end(response),
        piped_chunks=_read_chunks(response, href, PipedBody) if is_piped else None,
    )


async def close_response(response: ClientResponse, file: Response | None) -> None:
    """Close an open HTTP response, and free the memory and the pipe of its body.

    An error of the caller refers to the frames that read the chunks. Without this call, the error
    would keep the memory and the pipe.

    Args:
        response: The response.
        file: The response of the client, if it was made.
    """
    if not response.closed:  # The end of the body has closed the response.
        response.close()
    if file is None or file.size is None or file.size < MIN_DIRECT:
        return
    for chunks in (file.chunks, file.piped_chunks):
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


async def _read_chunks(
    response: ClientResponse, href: URL | str, direct: type[DirectBody] | None
) -> AsyncIterator[Chunk]:
    """Yield the chunks of a response.

    Args:
        response: The response.
        href: The requested href, for errors.
        direct: The class that receives a large body. None means that aiohttp reads all bodies.
    """
    with mapped_errors(href):
        body = direct.of(response) if direct is not None else None
        if body is not None:
            async with aclosing(body.chunks()) as received_chunks:
                async for chunk in received_chunks:
                    yield chunk
            return
        try:
            while received := await response.content.readany():
                yield received
        except (aiohttp.ClientError, OSError):
            # Up to half a megabyte received before the connection broke is still in aiohttp's
            # buffer. Once an error is set, the public read methods raise it and return no bytes.
            if rest := response.content._read_nowait(-1):
                yield rest
            raise
