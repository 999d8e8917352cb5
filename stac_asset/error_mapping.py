"""Internal: map errors of other libraries to errors of this package.

Errors of aiohttp and other libraries may contain request headers and signed URLs. The errors of
this package contain no headers, and their messages contain no queries. Clients, the engine and all
readers of documents use `mapped_errors`. `clients/s3/errors.py` maps the errors of botocore.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from stac_asset.errors import (
    ConnectionFailedError,
    ResponseError,
    StacAssetError,
    StalledError,
    TransferError,
    TruncatedError,
    UnexpectedError,
)
from stac_asset.redact import redact_href, redact_text


class mapped_errors:
    """Raise errors of this package in place of other errors. Cancellation is not affected.

    This is a class because each download needs several of these contexts, and a generator would
    take three times as long.

    Args:
        href: The requested href.
        mapper: Maps an error that is not a `StacAssetError`. Default: `mapped`.

    Raises:
        StacAssetError: An exception was raised in the context.
    """

    __slots__ = ("_href", "_mapper")

    def __init__(
        self, href: str | URL, mapper: Callable[[Exception], StacAssetError] | None = None
    ) -> None:
        self._href = href
        self._mapper = mapper

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, StacAssetError):
            return
        mapper = self._mapper
        replacement = mapped(error, self._href) if mapper is None else mapper(error)
        try:
            raise replacement from replacement.__cause__
        finally:
            # Python sets the original error, which may contain secrets, as the context.
            replacement.__context__ = None


def mapped(error: Exception, href: str | URL) -> StacAssetError:
    """Return the error of this package that corresponds to an error of a client.

    Args:
        error: The raised error. A `StacAssetError` is returned unchanged.
        href: The requested href.
    """
    if isinstance(error, StacAssetError):
        return error
    shown = redact_href(href)
    reason = redact_text(str(error)) or type(error).__name__
    match error:
        case aiohttp.ClientResponseError() if _is_malformed(error):
            return malformed_response(shown)
        case aiohttp.ClientResponseError():
            # The error's own message may quote any part of the response.
            return ResponseError.of(error.status, _phrase(error.status), str(href))
        case aiohttp.ClientPayloadError():
            return TruncatedError(f"{shown} ended before its announced length")
        case aiohttp.ServerTimeoutError():
            return StalledError(f"{shown} sent no bytes for too long")
        case TimeoutError():
            return StalledError(f"{shown} took too long")
        case aiohttp.InvalidURL():
            return TransferError(f"{shown} is not a valid URL")
        case aiohttp.ClientSSLError():
            return TransferError(f"{shown} cannot be reached: TLS error: {reason}")
        case aiohttp.ServerDisconnectedError():
            # This error may contain the response headers received so far.
            return ConnectionFailedError(
                f"{shown} cannot be reached: the server closed the connection without a response"
            )
        case aiohttp.ClientConnectionError() | ConnectionError():
            return ConnectionFailedError(f"{shown} cannot be reached: {reason}")
        case _:
            unexpected = UnexpectedError(f"{shown}: {type(error).__name__}: {reason}")
            # Chaining the error itself would show its href, with signature, in any traceback.
            unexpected.add_note(redact_text("".join(traceback.format_exception(error))))
            return unexpected


def malformed_response(shown: str) -> ConnectionFailedError:
    """Return the error for a response that cannot be parsed. The response is not quoted.

    Args:
        shown: The redacted href.
    """
    return ConnectionFailedError(f"{shown} cannot be read: the response is malformed")


def _is_malformed(error: aiohttp.ClientResponseError) -> bool:
    """Return whether aiohttp's parser raised the error. Such errors quote the raw response."""
    return isinstance(error.__cause__, HttpProcessingError) or not 100 <= error.status <= 599


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
