"""Internal: failed attempts to read an object, in the form of botocore's retry handlers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from aiohttp import ClientResponse
from yarl import URL

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.parsers import ResponseParser

_MAX_DOCUMENT = 64 * 1024
"""Maximum size, in bytes, of an error document. S3's error documents have less than 2 KB."""

_FIRST_PARSED_STATUS = 301
"""Lowest status that botocore parses as an error."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failed attempt: an error response, or an error of the connection."""

    error: Exception
    """The error of the attempt. For an error response, botocore's `ClientError`."""

    response: tuple[AWSResponse, dict[str, Any]] | None = None
    """The response and the parsed error document, as arguments of botocore's handlers."""

    @property
    def code(self) -> str:
        """S3's error code; empty for an error of the connection."""
        return "" if self.response is None else self.response[1]["Error"].get("Code", "")

    @property
    def date(self) -> str | None:
        """The `Date` header of the response."""
        return None if self.response is None else self.response[0].headers.get("date")

    def caught(self, url: URL) -> Exception | None:
        """Return the error of the connection as an error of botocore, which is retried.

        Args:
            url: The URL of the endpoint.
        """
        from botocore.exceptions import EndpointConnectionError

        return EndpointConnectionError(endpoint_url=str(url)) if self.response is None else None


async def failure_of(response: ClientResponse) -> FailedAttempt:
    """Return the failure that an error response describes. The response is read and closed.

    Args:
        response: A response with a status of at least 300.

    Raises:
        aiohttp.ClientError: The connection broke.
    """
    document = bytearray()
    try:
        while len(document) < _MAX_DOCUMENT and not response.content.at_eof():
            document += await response.content.read(_MAX_DOCUMENT - len(document))
    finally:
        response.release()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return failure_from(response.status, headers, bytes(document), response.url)


def failure_from(status: int, headers: dict[str, str], document: bytes, url: URL) -> FailedAttempt:
    """Return the failure that an error document describes.

    Args:
        status: The status of the response.
        headers: The headers of the response, with lowercase names.
        document: The body of the response, which may have any content.
        url: The URL of the response.
    """
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.exceptions import ClientError

    status = max(status, _FIRST_PARSED_STATUS)
    parser: Any = _parser()  # The stubs do not allow errors of operations without a shape.
    sent = {"status_code": status, "headers": headers, "body": document}
    parsed: Any = parser.parse(sent, None)
    error = parsed.get("Error")
    error = error if isinstance(error, dict) else {}
    # botocore's handlers expect texts, but repeated and nested elements become lists and dicts.
    parsed["Error"] = {name: value for name, value in error.items() if isinstance(value, str)}
    answer = AWSResponse(str(url), status, HTTPHeaders.from_dict(headers), None)
    return FailedAttempt(ClientError(parsed, "GetObject"), (answer, parsed))


@cache
def _parser() -> ResponseParser:
    from botocore.parsers import create_parser

    return create_parser("rest-xml")
