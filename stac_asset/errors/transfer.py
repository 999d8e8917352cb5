"""Internal: errors of the download of an asset, other than error statuses."""

from __future__ import annotations

import re
from typing import Any

from stac_asset.errors.base import DescribedError, StacAssetError, accepts_text
from stac_asset.redact import redact_href

_CONTENT_TYPES = re.compile(
    r"content type '(.*)' differs from the asset's media type '(.*)'\. Set "
)
"""The text of a `ContentTypeError`."""

_HOST = re.compile(r"https?://([^/?#]+)")

_WEB_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
"""Content types of web pages."""


class TransferError(StacAssetError):
    """Raised when the download of an asset fails.

    Cure: See the error classes that derive from this one.

    Attributes:
        transient: Whether a later attempt may succeed.
        retry_after: Seconds to wait before the next attempt, as requested by the source.
    """

    transient: bool = False
    retry_after: float | None = None


class NotFoundError(TransferError, FileNotFoundError):
    """Raised when a file does not exist at the source.

    Cure: Update the item, because the file was moved or removed.
    """


class AccessError(TransferError, PermissionError):
    """Raised when the source denies access.

    Cure: Configure credentials for the host, or check that the account may read the file.

    Attributes:
        may_be_limit: Whether the host may have denied access because of too many connections, as
            some hosts do with status 403.
    """

    may_be_limit: bool = False


class LoginPageError(AccessError):
    """Raised when a source responds with a login page instead of the file.

    Cure: Log in to the provider, approve its application, or configure credentials for the host.
    """


class TokenError(AccessError):
    """Raised when a token endpoint issues no token.

    Cure: Check the token endpoint, the client id and the secret.
    """


class CredentialError(AccessError):
    """Raised when a source rejects named credentials; the message contains the name.

    Cure: Replace the credentials that the text names, which are wrong or have expired.
    """


class ConnectionFailedError(TransferError, ConnectionError):
    """Raised when a connection cannot be opened, or breaks.

    Cure: Check the host name, the network and the proxy. The run has tried several times.
    """

    transient = True


class StalledError(TransferError, TimeoutError):
    """Raised when a source sends no bytes for too long, or the whole attempt takes too long.

    Cure: Start the run again, which resumes. For slow servers, raise `http_read_timeout`.
    """

    transient = True


class RateLimitError(TransferError):
    """Raised when a host asks for a longer wait than `host_wait_max`.

    Cure: Start the run again after the time that the text names, or raise `host_wait_max`.
    """


class TruncatedError(TransferError):
    """Raised when fewer bytes arrive than the source announced.

    Cure: Start the run again, which resumes.
    """

    transient = True


class RangeError(TransferError):
    """Raised when a source sends other bytes than requested or announced.

    Cure: Start the run again. If the error stays, set `max_connections_per_file=1`.
    """

    transient = True


class SizeError(TransferError):
    """Raised when the size of a file differs from `file:size`.

    Cure: Update the item. If the item declares a wrong size, report it to the provider.
    """


class ChecksumError(TransferError):
    """Raised when the digest of a file differs from `file:checksum`.

    Cure: Update the item. If the item declares a wrong checksum, report it to the provider.
    """


class ContentError(TransferError):
    """Raised when a source sends no file, but a web page, an error message or an empty response.

    The same error is raised for an href of a directory.

    Cure: Open the href in a browser. Often a login, a token or another href is needed.
    """


class DestinationError(TransferError, OSError):
    """Raised when a file cannot be written, for example to a full disk.

    Cure: Free space or set the permissions, and start the run again.

    Attributes:
        resumable: Whether a later run can continue the upload, such as after a failure of the
            service. `clean` then keeps the received bytes.
    """

    resumable: bool = False


class UnexpectedError(TransferError):
    """Raised when a client raises an undocumented error.

    The original error is not the cause, because tracebacks would show hrefs with their signatures.
    A note (`__notes__`) contains the original traceback with redacted hrefs.

    Cure: Report the error with its notes to the authors of the client.
    """


class ContentTypeError(DescribedError):
    """Raised when the content type of a response does not match the asset's media type.

    Cure: If the file is correct, set `http_check_content_type=False`. A web page often means that
    a login is needed.

    Args:
        actual: The content type that the source reports.
        expected: The media type that the asset declares.
        href: The href, if known. Its query is not stored.
    """

    @accepts_text
    def __init__(
        self, actual: str, expected: str, href: str = "", *args: Any, **kwargs: Any
    ) -> None:
        href = redact_href(href)
        super().__init__(actual, expected, href, *args)
        self.actual = actual
        self.expected = expected
        self.href = href

    def _restore(self, text: str) -> None:
        found = _CONTENT_TYPES.search(text)
        self.actual, self.expected = found.groups() if found else ("", "")
        self.href = ""

    def _describe(self) -> str:
        subject = f"{self.href} cannot be used: " if self.href else ""
        text = (
            f"{subject}content type '{self.actual}' differs from the asset's media type "
            f"'{self.expected}'. Set `http_check_content_type=False` to accept it."
        )
        if self.actual.partition(";")[0].strip().lower() in _WEB_PAGE_TYPES:
            text += " The server sent an HTML page instead of the file; a login may be needed."
            host = _HOST.match(self.href)
            text += f" Configure a credential for {host[1]}." if host else ""
        return text
