"""Internal: maps errors of obstore to errors that name the object and the cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.errors import DestinationError, StacAssetError
from stac_asset.object_store.failures import Failure, FailureReason, failure_of

_ADVICE = {
    FailureReason.NO_BUCKET: "the bucket or container does not exist. Create it, or correct the "
    "URL",
    FailureReason.DENIED: "the service refuses the credentials. Correct `destination_identity`, or "
    "allow these credentials to read, write, list and delete objects",
    FailureReason.NO_CREDENTIALS: "no credentials were found, or no token was issued for them. Set "
    "`destination_identity`, or the environment variables of the service",
    FailureReason.UNREACHABLE: "the service cannot be reached. Check `destination_endpoint_url` "
    "and the network",
}


_TRANSIENT = frozenset({408, 425, 429})
"""Statuses of refused requests that can succeed later."""


class AbortedError(Exception):
    """Raised to end an upload without an object."""


@contextmanager
def mapped_errors(url: str, action: str = "written") -> Iterator[None]:
    """Raise the errors of obstore as errors of this package.

    Args:
        url: The URL of the object or prefix, for messages.
        action: What the run does with the destination, for messages: `written` or `read`.

    Raises:
        MissingError: The object does not exist.
        ConflictError: The object has another version.
        DestinationError: Any other error.
    """
    try:
        yield
    except (StacAssetError, MissingError, ConflictError, AbortedError):
        raise
    except Exception as error:
        failure = failure_of(error)
        if failure.reason is FailureReason.MISSING:
            raise MissingError from None
        if failure.reason is FailureReason.CONFLICT:
            raise ConflictError(repeat=False) from None
        kind = type(error).__name__
        raise DestinationError(f"{url} cannot be {action}: {reason_of(failure, kind)}") from None


def bucket_error(url: str, action: str = "written") -> DestinationError:
    """Return the error for a bucket that does not exist.

    Args:
        url: The URL of the object or prefix.
        action: What the run does with the destination: `written` or `read`.
    """
    return DestinationError(f"{url} cannot be {action}: {_ADVICE[FailureReason.NO_BUCKET]}")


def reason_of(failure: Failure, kind: str = "") -> str:
    """Return the reason of a failed request, and the cure.

    Args:
        failure: The reason.
        kind: The class of the error, for reasons that are not known.
    """
    if failure.reason in _ADVICE:
        return _ADVICE[failure.reason]
    if kind == "InvalidPathError":
        return (
            "the prefix contains an object with a name that obstore cannot read. Remove objects "
            "whose names have parts that are empty, '.' or '..', or use another prefix"
        )
    status = failure.status
    if status is not None and status in range(400, 500) and status not in _TRANSIENT:
        return (
            f"the service refuses the request (status {status}). Check "
            "`destination_storage_class` and `destination_endpoint_url`"
        )
    if status is not None:
        return f"the service responded {status}. Try again later"
    return (
        f"the request failed ({kind}). Check that `destination_endpoint_url`, or the endpoint of "
        "`destination_identity`, is such a service"
    )
