"""Internal: the reasons of obstore's errors.

The messages of obstore are not repeated, because they contain URLs and responses of the service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>|x-ms-error-code\W+(\w{1,64})")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})
_CONNECTION = ("http error", "error sending request", "connection", "dns error", "timed out")


class FailureReason(Enum):
    """The reason of a failed request."""

    MISSING = auto()
    """The object does not exist, or the bucket does not exist."""

    NO_BUCKET = auto()
    """The bucket does not exist."""

    CONFLICT = auto()
    """The condition of the request is not met: the object has another version."""

    DENIED = auto()
    """The credentials are wrong, or have no permission."""

    NO_CREDENTIALS = auto()
    """No credentials were found."""

    RANGE = auto()
    """The object has no bytes at the requested position."""

    UNREACHABLE = auto()
    """The service cannot be reached."""

    STATUS = auto()
    """The service responded with another status."""

    OTHER = auto()
    """Any other reason, such as a key that the service does not accept."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason of a failed request, without texts of the service."""

    reason: FailureReason
    """The reason."""

    status: int | None = None
    """The status of the response, if any."""


def failure_of(error: Exception) -> Failure:
    """Return the reason of an error of obstore.

    Args:
        error: The raised error.
    """
    kind, text = type(error).__name__, str(error)
    found = _STATUS.search(text)
    status = int(found[1]) if found else None
    codes = {code for pair in _CODE.findall(text) for code in pair if code}
    if codes & _NO_BUCKET:
        return Failure(FailureReason.NO_BUCKET, status)
    if "token request" in text or "credential provider" in text.lower():
        return Failure(FailureReason.NO_CREDENTIALS, status)
    if isinstance(error, FileNotFoundError) or kind == "NotFoundError" or status == 404:
        return Failure(FailureReason.MISSING, 404)
    if kind in ("AlreadyExistsError", "PreconditionError") or status in (409, 412):
        return Failure(FailureReason.CONFLICT, status)
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or status in (401, 403):
        return Failure(FailureReason.DENIED, status or 403)
    if status == 416 or "Wanted range" in text:
        return Failure(FailureReason.RANGE, status)
    if status is not None:
        return Failure(FailureReason.STATUS, status)
    if any(part in text.lower() for part in _CONNECTION):
        return Failure(FailureReason.UNREACHABLE)
    return Failure(FailureReason.OTHER)
