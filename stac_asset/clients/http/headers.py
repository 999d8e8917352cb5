"""Readers of response headers: byte range, validator, wait time, redirect target.

The HTTP clients and the token requests use these functions.
"""

from __future__ import annotations

import re
from datetime import datetime
from http import HTTPStatus

from aiohttp import ClientResponse, hdrs
from yarl import URL

from stac_asset.clients.content_range import Extent
from stac_asset.clients.requested_wait import http_date as _date
from stac_asset.clients.requested_wait import requested_wait
from stac_asset.errors import SchemeError
from stac_asset.redact import redact_href, redact_text, redact_values, secrets_in_headers

_PHRASES = frozenset({"", *(status.phrase for status in HTTPStatus)})
"""Usual reason phrases."""

_NOT_SENDABLE = re.compile(rb"[^!-~]|[\"<>\\^`{|}]")
"""Bytes that a URL cannot contain."""

_LENGTH = re.compile(r"[0-9]{1,18}")

FILE_STATUSES = frozenset({200, 203, 206})
"""Statuses of responses that contain the file or a part of the file."""

_WITHOUT_FILE = {
    202: "the server is still preparing the file",
    204: "the server has no bytes to send",
    205: "the server has no bytes to send",
}


def hint_without_file(status: int) -> str:
    """Return advice for a success status of a response without the file.

    Args:
        status: A status below 300 that is not in `FILE_STATUSES`.
    """
    return _WITHOUT_FILE.get(status, "the server sent a response without the file")


def extent(response: ClientResponse, href: URL | str, is_part: bool) -> Extent:
    """Return the range of the file that a response contains.

    Args:
        response: A response with status 200 or 206.
        href: The requested href, for errors.
        is_part: Whether the response contains a part of the file. Usually these are the responses
            with status 206.

    Raises:
        RangeError: The response is partial, and its `Content-Range` is missing, invalid, or
            contradicts its `Content-Length`.
    """
    content_length = response.headers.get(hdrs.CONTENT_LENGTH, "")
    length = int(content_length) if _LENGTH.fullmatch(content_length) else None
    if not is_part:
        return Extent.whole(length)
    content_range = response.headers.get(hdrs.CONTENT_RANGE, "")
    return Extent.part(content_range, length, redact_href(href))


def validator(response: ClientResponse, requested: str | None = None) -> str | None:
    """Return the ETag or the date for a later `If-Range` header, if usable.

    A weak ETag must not be used, but the date beside a weak ETag may be (RFC 9110, section 13.1.5).
    These values are not usable either: dates less than one second before the response (RFC 9110,
    section 8.8.2.2), and values that are not ASCII and could not be sent back unchanged.

    Args:
        response: Any response.
        requested: The validator of the request, if any. It is returned if the response has the
            same ETag or date, even if the response has another usable validator.
    """
    etag = response.headers.get(hdrs.ETAG)
    last_modified = response.headers.get(hdrs.LAST_MODIFIED)
    if requested is not None and (last_modified == requested or _is_same_etag(etag, requested)):
        return requested
    if etag and etag.startswith('"') and etag.isascii():
        return etag
    if etag and not etag.startswith("W/"):
        return None
    modified = _date(last_modified)
    if modified is None or last_modified is None or not last_modified.isascii():
        return None
    sent = sent_at(response)
    if sent is not None and (sent - modified).total_seconds() < 1:
        return None
    return last_modified


def _is_same_etag(etag: str | None, requested: str) -> bool:
    """Return whether an ETag, weak or strong, has the value of a requested strong ETag."""
    return etag is not None and etag.removeprefix("W/") == requested


def supports_ranges(response: ClientResponse) -> bool:
    """Return whether a server declares that byte ranges are supported.

    Args:
        response: Any response.
    """
    return response.status == 206 or response.headers.get(hdrs.ACCEPT_RANGES) == "bytes"


def has_checked_end(response: ClientResponse) -> bool:
    """Return whether a response without length marks its end: by a last chunk, or in gzip data.

    Args:
        response: Any response.
    """
    is_chunked = "chunked" in response.headers.get(hdrs.TRANSFER_ENCODING, "").lower()
    return is_chunked or "gzip" in response.headers.get(hdrs.CONTENT_ENCODING, "").lower()


def is_other_version(response: ClientResponse, requested_validator: str | None) -> bool:
    """Return whether a partial response belongs to another version of the file.

    Servers that support `If-Range` send the whole file instead. Azure Blob Storage does not
    support `If-Range`.

    Args:
        response: Any response.
        requested_validator: The value of the `If-Range` header of the request.
    """
    return response.status == 206 and validator(response, requested_validator) not in (
        None,
        requested_validator,
    )


def retry_after(response: ClientResponse) -> float | None:
    """Return the wait, in seconds, that a server requests, if any.

    Args:
        response: Any response.
    """
    return requested_wait(response.headers, response.status)


def reason_of(response: ClientResponse) -> str:
    """Return the reason phrase of a response, without secrets of the request.

    Args:
        response: Any response.
    """
    reason = response.reason or ""
    if reason in _PHRASES:
        return reason
    if response.status == 407:  # The proxy may repeat its password, which is not in the request.
        return HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.phrase
    sent = response.request_info
    secrets = secrets_in_headers(sent.headers) | {*sent.url.query.values()}
    return redact_values(redact_text(reason), secrets)


def sent_at(response: ClientResponse) -> datetime | None:
    """Return the time of a response by the server's clock: the `Date` header, if any.

    Args:
        response: Any response.
    """
    return _date(response.headers.get(hdrs.DATE))


def redirect_target(url: URL, location: str) -> URL:
    """Return the target URL of a redirect.

    Args:
        url: The URL that redirects.
        location: The `Location` header, absolute or relative. Spaces and bytes outside of ASCII
            are percent-encoded, as in browsers. A fragment is removed.

    Raises:
        SchemeError: The target is not a valid http or https URL.
    """
    # aiohttp decodes bytes that are not UTF-8 to surrogates. Encode each byte as it was sent.
    sent = location.strip().encode("utf-8", "surrogateescape")
    encoded = _NOT_SENDABLE.sub(_percent_encode, sent).decode()
    try:
        target = url.join(URL(encoded, encoded=True))
        usable = target.scheme in ("http", "https") and bool(target.host)
    except (ValueError, IndexError):  # yarl raises IndexError for `https://[]@`.
        usable = False
    if not usable:
        raise SchemeError(
            f"{redact_href(url)} redirects to '{redact_href(location)}', which is not a valid "
            "http or https URL"
        )
    return target.with_fragment(None) if target.raw_fragment else target


def _percent_encode(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match.group()[0]
