"""Internal: errors of requests to buckets that callers handle. No user sees these errors."""

from __future__ import annotations


class ConflictError(Exception):
    """Raised when the condition of a request is not met: the object has another version.

    Args:
        repeat: Whether the service asks to send the request again.
    """

    def __init__(self, repeat: bool) -> None:
        super().__init__("the object has another version")
        self.repeat = repeat


class MissingError(Exception):
    """Raised when the requested object or multipart upload does not exist."""
