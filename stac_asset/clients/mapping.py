"""Maps the errors of other libraries to ours, which hold no header and no query."""

from __future__ import annotations

from types import TracebackType

import aiohttp
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


def mapped(error: Exception, href: str | URL) -> StacAssetError:
    """Returns an error of ours for any error that a client raises.

    Args:
        error: What was raised; one of ours stays as it is.
        href: What was asked for.
    """
    shown = redact_href(href)
    reason = redact_text(str(error)) or type(error).__name__
    match error:
        case StacAssetError():
            return error
        case aiohttp.ClientResponseError():
            return ResponseError.of(error.status, error.message, str(href))
        case aiohttp.ClientPayloadError():
            return TruncatedError(f"{shown} ended before its announced length")
        case TimeoutError():
            return StalledError(f"{shown} sent nothing for too long")
        case aiohttp.InvalidURL():
            return TransferError(f"{shown} is no URL that can be requested")
        case aiohttp.ClientSSLError():
            return TransferError(f"{shown} cannot be reached safely: {reason}")
        case aiohttp.ClientConnectionError() | ConnectionError():
            return ConnectionFailedError(f"{shown} cannot be reached: {reason}")
        case _:
            unexpected = UnexpectedError(f"{shown}: {type(error).__name__}: {reason}")
            unexpected.__cause__ = error
            return unexpected


class mapped_errors:
    """A context manager that maps what is raised inside; leaves cancellation alone.

    Args:
        href: What is asked for inside.
    """

    __slots__ = ("_href",)

    def __init__(self, href: str | URL) -> None:
        self._href = href

    def __enter__(self) -> None:
        """Nothing is to be prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Raises the mapped error in place of the other library's, which may hold secrets."""
        if isinstance(error, Exception) and not isinstance(error, StacAssetError):
            found = mapped(error, self._href)
            try:
                raise found from found.__cause__
            finally:
                # Python puts the other library's error there, which nobody sees, but anybody finds.
                found.__context__ = None
