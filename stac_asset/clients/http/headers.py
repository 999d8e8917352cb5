"""Reads what response headers say: extent, version, waiting time, redirects, login pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import ClientResponse, hdrs
from yarl import URL

from stac_asset.clients.content_range import Extent
from stac_asset.errors import SchemeError
from stac_asset.redact import redact_href

_LENGTH = re.compile(r"[0-9]{1,18}")


def extent(response: ClientResponse) -> Extent:
    """Returns which bytes of the file an answer holds.

    Args:
        response: An answer with status 200 or 206.

    Raises:
        RangeError: The answer is a part of the file that it does not name, or of another length.
    """
    said = response.headers.get(hdrs.CONTENT_LENGTH, "")
    length = int(said) if _LENGTH.fullmatch(said) else None
    if response.status != 206:
        return Extent.whole(length)
    said = response.headers.get(hdrs.CONTENT_RANGE, "")
    return Extent.part(said, length, redact_href(response.url))


def validator(response: ClientResponse) -> str | None:
    """Returns what a later `If-Range` may name, or None.

    A weak ETag is no such thing, nor a date that is as young as the answer (RFC 9110, 8.8.2.2),
    nor what is not ASCII and could not be sent back as it came.

    Args:
        response: Any answer.
    """
    etag = response.headers.get(hdrs.ETAG)
    if etag:
        return etag if etag.startswith('"') and etag.isascii() else None
    modified = _date(response.headers.get(hdrs.LAST_MODIFIED))
    if modified is None or not response.headers[hdrs.LAST_MODIFIED].isascii():
        return None
    answered = answered_at(response)
    if answered is not None and (answered - modified).total_seconds() < 1:
        return None
    return response.headers[hdrs.LAST_MODIFIED]


def takes_ranges(response: ClientResponse) -> bool:
    """Returns whether a server says that it can send parts of a file.

    Args:
        response: Any answer.
    """
    return response.status == 206 or response.headers.get(hdrs.ACCEPT_RANGES) == "bytes"


def differs(response: ClientResponse, validator_asked: str | None) -> bool:
    """Returns whether an answer is a part of another version than the one that was asked for.

    A server that knows `If-Range` sends the whole file then; Azure's blob storage does not.

    Args:
        response: Any answer.
        validator_asked: What `If-Range` named.
    """
    return response.status == 206 and validator(response) not in (None, validator_asked)


def retry_after(response: ClientResponse) -> float | None:
    """Returns how many seconds the server asks to wait, or None.

    Args:
        response: Any answer; its `Retry-After` holds seconds or a date.
    """
    value = response.headers.get(hdrs.RETRY_AFTER, "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    until = _date(value)
    return max(0.0, (until - datetime.now(UTC)).total_seconds()) if until else None


def answered_at(response: ClientResponse) -> datetime | None:
    """Returns when the server answered by its own clock, or None.

    Args:
        response: Any answer.
    """
    return _date(response.headers.get(hdrs.DATE))


def redirect_target(url: URL, location: str) -> URL:
    """Returns where a redirect goes.

    Args:
        url: The url that redirects.
        location: Its `Location` header, absolute or relative.

    Raises:
        SchemeError: It does not go to an http or https url.
    """
    try:
        target = url.join(URL(location, encoded=True))
        usable = target.scheme in ("http", "https") and bool(target.host)
    except (ValueError, IndexError):  # yarl raises the latter for `https://[]@`.
        usable = False
    if not usable:
        raise SchemeError(f"{redact_href(url)} redirects to '{redact_href(location)}'")
    return target


def is_login_page(response: ClientResponse) -> bool:
    """Returns whether an answer is a web page.

    Args:
        response: An answer to a request for something else.
    """
    return response.content_type in ("text/html", "application/xhtml+xml")


def _date(value: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):  # The second is not documented.
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
