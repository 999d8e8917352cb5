"""Maps the errors of other libraries to ours, which hold no header and no query."""

from __future__ import annotations

import traceback
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


def mapped(error: Exception, href: str | URL) -> StacAssetError:
    """Returns an error of ours for any error that a client raises.

    Args:
        error: What was raised; one of ours stays as it is.
        href: What was asked for.
    """
    if isinstance(error, StacAssetError):
        return error
    shown = redact_href(href)
    reason = redact_text(str(error)) or type(error).__name__
    match error:
        case aiohttp.ClientResponseError() if _is_garbled(error):
            return garbled(shown)
        case aiohttp.ClientResponseError():
            # Not its message, which may be anything that somebody has read.
            return ResponseError.of(error.status, _phrase(error.status), str(href))
        case aiohttp.ClientPayloadError():
            return TruncatedError(f"{shown} ended before its announced length")
        case aiohttp.ServerTimeoutError():
            return StalledError(f"{shown} sent nothing for too long")
        case TimeoutError():
            return StalledError(f"{shown} took too long")
        case aiohttp.InvalidURL():
            return TransferError(f"{shown} is no URL that can be requested")
        case aiohttp.ClientSSLError():
            return TransferError(f"{shown} cannot be reached safely: {reason}")
        case aiohttp.ServerDisconnectedError():
            # Which may hold the headers that had arrived by then.
            return ConnectionFailedError(
                f"{shown} cannot be reached: the server closed the connection without an answer"
            )
        case aiohttp.ClientConnectionError() | ConnectionError():
            return ConnectionFailedError(f"{shown} cannot be reached: {reason}")
        case _:
            unexpected = UnexpectedError(f"{shown}: {type(error).__name__}: {reason}")
            # The error itself would show, in any traceback, the href that it was given.
            unexpected.add_note(redact_text("".join(traceback.format_exception(error))))
            return unexpected


def garbled(shown: str) -> ConnectionFailedError:
    """Returns the error of an answer that no parser understands, of which nothing is shown.

    Args:
        shown: The href, as it may be shown.
    """
    return ConnectionFailedError(f"{shown} cannot be read: the answer is garbled")


def _is_garbled(error: aiohttp.ClientResponseError) -> bool:
    """Returns whether no server has answered so: aiohttp's parser did, with the raw line."""
    return isinstance(error.__cause__, HttpProcessingError) or not 100 <= error.status <= 599


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


class mapped_errors:
    """A context manager that maps what is raised inside; leaves cancellation alone.

    Args:
        href: What is asked for inside.
    """

    __slots__ = ("_href",)

    def __init__(self, href: str | URL) -> None:
        self._href = href

    def mapped(self, error: Exception) -> StacAssetError:
        """Returns an error of ours for what was raised inside.

        Args:
            error: What was raised; none of ours.
        """
        return mapped(error, self._href)

    def __enter__(self) -> None:
        """Nothing is to be prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Raises the mapped error in place of the other library's, which may hold secrets."""
        if isinstance(error, Exception) and not isinstance(error, StacAssetError):
            found = self.mapped(error)
            try:
                raise found from found.__cause__
            finally:
                # Python puts the other library's error there, which nobody sees, but anybody finds.
                found.__context__ = None
