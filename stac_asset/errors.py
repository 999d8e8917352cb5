"""Errors and warnings of this package.

All errors derive from `StacAssetError`. An error also derives from the standard exception in
parentheses:

    StacAssetError
    ├── ConfigError (ValueError)             the configuration is invalid
    │   ├── CannotIncludeAndExclude          `include` and `exclude` are both set
    │   └── MissingCredentialError           a required credential is not configured
    ├── SourceError (ValueError)             a document is unreadable or not valid STAC
    ├── NoAssetsError (ValueError)           an object has no assets to download
    ├── AssetOverwriteError                  two assets would be written to the same file
    ├── UnsafePathError (ValueError)         a path is outside the directory, or is invalid
    ├── SchemeError (ValueError)             no client claims the href
    ├── HrefError (ValueError)               an href is missing, malformed or cannot be resolved
    ├── LocalHrefError (PermissionError)     a remote item references a local file
    ├── TransferError                        the download of an asset failed
    │   ├── ResponseError (aiohttp.ClientResponseError)
    │   │   ├── ResponseNotFoundError        (NotFoundError) status 404 or 410
    │   │   └── ResponseForbiddenError       (AccessError) status 401, 403 or 407
    │   ├── NotFoundError (FileNotFoundError)
    │   ├── AccessError (PermissionError)    the source denies access
    │   │   ├── LoginPageError               a login page instead of the file
    │   │   ├── TokenError                   a token endpoint issued no token
    │   │   └── CredentialError              named credentials were rejected
    │   ├── ConnectionFailedError (ConnectionError)
    │   ├── StalledError (TimeoutError)      a timeout expired
    │   ├── RateLimitError                   a host asks for a very long wait
    │   ├── TruncatedError                   fewer bytes than announced
    │   ├── RangeError                       other bytes than requested or announced
    │   ├── SizeError                        the size differs from `file:size`
    │   ├── ChecksumError                    the digest differs from `file:checksum`
    │   ├── ContentError                     a web page, an error message, a directory or no bytes
    │   ├── DestinationError (OSError)       the file cannot be written: full disk, permissions
    │   └── UnexpectedError                  a client raised an undocumented error
    ├── RunningLoopError (RuntimeError)      a blocking function was called in an event loop
    ├── ContentTypeError                     the content type differs from the asset's media type
    ├── VerifyError                          files of a directory are missing or damaged
    └── DownloadError                        all failures of a run

`DownloadWarning` is a warning, not an error. Messages never contain the query of an href.

Some serializers, such as Prefect's JSON serializer, keep only the text of an error and recreate the
error with `type(error)(str(error))`. All classes support this. Classes with other
constructor arguments derive from `DescribedError` and decorate the constructor with `accepts_text`.
The copy has the same text, and the counts or the status from this text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

from aiohttp import ClientResponseError, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from stac_asset.redact import redact_href, redact_text

_P = ParamSpec("_P")

_MAX_LISTED = 10
"""Maximum number of problems that the text of a `DownloadError` or `VerifyError` lists."""

_COUNTS = re.compile(r"(\d+)(?: of (\d+))? (?:assets? failed|files are missing or wrong)$")
"""The end of the first line of a `DownloadError` or a `VerifyError`."""

_CONTENT_TYPES = re.compile(
    r"content type '(.*)' differs from the asset's media type '(.*)'\. Set "
)
"""The text of a `ContentTypeError`."""

_WEB_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
"""Content types of web pages."""

_STATUS = re.compile(r"(?:^|: )(\d{3})(?: [^:]*?)? for \S")
"""The status in the text of a `ResponseError`."""


class StacAssetError(Exception):
    """The root of this package's errors.

    Attributes:
        owner: The item or collection whose asset failed, e.g. `item 'S2B_31UFU'`, if any.
        key: The key of the asset that failed, if any.
    """

    owner: str | None = None
    key: str | None = None

    @property
    def message(self) -> str:
        """The text without the asset key and the owner."""
        return str(self.args[0]) if self.args else type(self).__name__

    def __str__(self) -> str:
        text = self.message
        if self.key is not None:
            owner = f" of {self.owner}" if self.owner else ""
            text = f"asset '{self.key}'{owner}: {text}"
        # Ids and keys may contain lone surrogates, which terminals and logs cannot encode.
        return text.encode(errors="backslashreplace").decode()


class DescribedError(StacAssetError):
    """Base class of errors that are created from values other than a text.

    A subclass composes the text from these values in `_describe`, decorates its constructor with
    `accepts_text`, and restores its attributes from a text in `_restore`.
    """

    _text: str | None = None

    @property
    def message(self) -> str:
        """The text without the asset key and the owner."""
        return self._describe() if self._text is None else self._text

    def _describe(self) -> str:
        return super().message

    def _restore(self, text: str) -> None:
        """Set the attributes of a copy that is created from the text of another error."""


def accepts_text(init: Callable[_P, None]) -> Callable[_P, None]:
    """Let the constructor of a `DescribedError` also accept an error's text as the only argument.

    The signature of the constructor does not change.
    """

    @wraps(init)
    def init_or_restore(*args: _P.args, **kwargs: _P.kwargs) -> None:
        error, *values = args
        if isinstance(error, DescribedError) and len(values) == 1 and isinstance(values[0], str):
            error._text = values[0]
            error._restore(values[0])
            error.args = (values[0],)
        else:
            init(*args, **kwargs)

    return init_or_restore


class ConfigError(StacAssetError, ValueError):
    """Raised when the configuration is invalid."""


class CannotIncludeAndExclude(ConfigError):
    """Raised when both `include` and `exclude` are set."""


CantIncludeAndExclude = CannotIncludeAndExclude
"""Documented alias of `CannotIncludeAndExclude`."""


class MissingCredentialError(ConfigError):
    """Raised when a required credential is not configured, before any request is sent."""


class SourceError(StacAssetError, ValueError):
    """Raised when a STAC document cannot be read, or is not valid STAC."""


class NoAssetsError(StacAssetError, ValueError):
    """Raised when an object has no assets to download."""


class AssetOverwriteError(DescribedError):
    """Raised before a download if two assets or documents would be written to the same file.

    Args:
        hrefs: The hrefs or descriptions of the assets.
        path: The path of the file.
        advice: A sentence that tells how to avoid the error.
    """

    @accepts_text
    def __init__(
        self, hrefs: list[str], path: str | None = None, advice: str | None = None
    ) -> None:
        super().__init__(hrefs, path, advice)
        self.hrefs = hrefs
        self.path = path
        self.advice = advice or (
            "Set `file_name_strategy=FileNameStrategy.KEY`, use a `path_template` with distinct "
            "paths, or exclude one of the assets."
        )

    def _restore(self, text: str) -> None:
        self.hrefs, self.path, self.advice = [], None, ""

    def _describe(self) -> str:
        file = f"the file {self.path}" if self.path else "one file"
        assets = " and ".join(redact_text(href) for href in self.hrefs)
        return f"{assets} would share {file}. {self.advice}"


class UnsafePathError(StacAssetError, ValueError):
    """Raised when a path is outside the destination directory, or cannot name a file."""


class SchemeError(StacAssetError, ValueError):
    """Raised when no client claims an href."""


class HrefError(StacAssetError, ValueError):
    """Raised when an href is missing, empty, malformed, or relative without a base."""


class LocalHrefError(StacAssetError, PermissionError):
    """Raised when an item from a remote source references a local file."""


class RunningLoopError(StacAssetError, RuntimeError):
    """Raised when a blocking function is called in a running event loop."""


class ContentTypeError(DescribedError):
    """Raised when the content type of a response does not match the asset's media type.

    Args:
        actual: The content type that the source reports.
        expected: The media type that the asset declares.
    """

    @accepts_text
    def __init__(self, actual: str, expected: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(actual, expected, *args)
        self.actual = actual
        self.expected = expected

    def _restore(self, text: str) -> None:
        found = _CONTENT_TYPES.search(text)
        self.actual, self.expected = found.groups() if found else ("", "")

    def _describe(self) -> str:
        page = self.actual.partition(";")[0].strip().lower() in _WEB_PAGE_TYPES
        hint = " The server sent an HTML page instead of the file; a login may be needed."
        return (
            f"content type '{self.actual}' differs from the asset's media type "
            f"'{self.expected}'. Set `http_check_content_type=False` to accept it."
            f"{hint if page else ''}"
        )


class TransferError(StacAssetError):
    """Raised when the download of an asset fails.

    Attributes:
        transient: Whether a later attempt may succeed.
        retry_after: Seconds to wait before the next attempt, as requested by the source.
    """

    transient: bool = False
    retry_after: float | None = None


class NotFoundError(TransferError, FileNotFoundError):
    """Raised when a file does not exist at the source."""


class AccessError(TransferError, PermissionError):
    """Raised when the source denies access.

    Attributes:
        may_be_limit: Whether the host may have denied access because of too many connections, as
            some hosts do with status 403.
    """

    may_be_limit: bool = False


class LoginPageError(AccessError):
    """Raised when a source responds with a login page instead of the file."""


class TokenError(AccessError):
    """Raised when a token endpoint issues no token."""


class CredentialError(AccessError):
    """Raised when a source rejects named credentials; the message contains the name."""


class ConnectionFailedError(TransferError, ConnectionError):
    """Raised when a connection cannot be opened, or breaks."""

    transient = True


class StalledError(TransferError, TimeoutError):
    """Raised when a source sends no bytes for too long, or the whole attempt takes too long."""

    transient = True


class RateLimitError(TransferError):
    """Raised when a host asks for a longer wait than `host_wait_max`."""


class TruncatedError(TransferError):
    """Raised when fewer bytes arrive than the source announced."""

    transient = True


class RangeError(TransferError):
    """Raised when a source sends other bytes than requested or announced."""

    transient = True


class SizeError(TransferError):
    """Raised when the size of a file differs from `file:size`."""


class ChecksumError(TransferError):
    """Raised when the digest of a file differs from `file:checksum`."""


class ContentError(TransferError):
    """Raised when a source sends no file, but a web page, an error message or an empty response.

    The same error is raised for an href of a directory.
    """


class DestinationError(TransferError, OSError):
    """Raised when a file cannot be written, for example to a full disk."""


class UnexpectedError(TransferError):
    """Raised when a client raises an undocumented error.

    The original error is not the cause, because tracebacks would show hrefs with their signatures.
    A note (`__notes__`) contains the original traceback with redacted hrefs.
    """


class ResponseError(DescribedError, TransferError, ClientResponseError):
    """Raised when a server responds with an error status, or responds without the file.

    Headers and the query of the href are not stored, because they may contain secrets.

    Args:
        status: The HTTP status.
        reason: The reason phrase.
        href: The requested href.
        retry_after: Seconds to wait before the next attempt, as requested by the server.
        hint: Advice for the user, if any.
    """

    # 202 Accepted: the file is not ready yet. 420: a rate limit, at some older services.
    _TRANSIENT = frozenset({202, 408, 420, 425, 429})
    # Not Implemented and HTTP Version Not Supported are permanent.
    _PERMANENT = frozenset({501, 505})

    @accepts_text
    def __init__(
        self,
        status: int,
        reason: str = "",
        href: str = "",
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        href = redact_href(href)
        self._set_response(status, reason, href)
        self.args = (status, reason, href, retry_after, hint)
        self.retry_after = retry_after
        # Some services report rate limits with 403: https://docs.github.com/rest/rate-limit
        self.transient |= status == 403 and retry_after is not None

    def _restore(self, text: str) -> None:
        found = _STATUS.search(text)
        self._set_response(int(found[1]) if found else 0)

    def _set_response(self, status: int, reason: str = "", href: str = "") -> None:
        url = URL(href.removesuffix("?…"), encoded=True)
        headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
        ClientResponseError.__init__(
            self, RequestInfo(url, "GET", headers, url), (), status=status, message=reason
        )
        self.transient = status in self._TRANSIENT or (
            status >= 500 and status not in self._PERMANENT
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {"owner": self.owner, "key": self.key}

    @property
    def message(self) -> str:
        """The text without the asset key and the owner."""
        return super().message

    @message.setter
    def message(self, value: str) -> None:
        """Ignore the reason phrase, which aiohttp's constructor assigns."""

    def _describe(self) -> str:
        status, reason, href, _, hint = self.args
        return f"{status} {reason} for {href}{': ' if hint else ''}{hint}".replace("  ", " ")

    __str__ = StacAssetError.__str__

    @staticmethod
    def of(
        status: int,
        reason: str,
        href: str,
        retry_after: float | None = None,
        hint: str = "",
    ) -> ResponseError:
        """Return an error of the class for a status.

        Args:
            status: The HTTP status.
            reason: The reason phrase.
            href: The requested href.
            retry_after: Seconds to wait before the next attempt, as requested by the server.
            hint: Advice for the user, if any.
        """
        if status == 407 and not hint:
            hint = "the proxy requires user and password in the URL of `HTTP_PROXY`"
        match status:
            case 404 | 410:
                kind: type[ResponseError] = ResponseNotFoundError
            case 401 | 403 | 407:
                kind = ResponseForbiddenError
            case _:
                kind = ResponseError
        return kind(status, reason, href, retry_after, hint)


class ResponseNotFoundError(ResponseError, NotFoundError):
    """Raised when a server responds with status 404 or 410."""


class ResponseForbiddenError(ResponseError, AccessError):
    """Raised when a server responds with status 401, 403 or 407."""

    @property
    def may_be_limit(self) -> bool:  # type: ignore[override]
        """Whether the status is 403."""
        return self.status == 403


class DownloadError(DescribedError):
    """Raised at the end of a run in which assets failed.

    Args:
        exceptions: All errors of the run. The text lists the first ten.
        total: Number of assets of the run, if known.

    Attributes:
        exceptions: All errors of the run. A copy created from a text has a `StacAssetError` for
            each error listed in the text.
        count: Number of assets that failed.
        total: Number of assets of the run, if known.
    """

    @accepts_text
    def __init__(
        self, exceptions: Sequence[Exception], *args: Any, total: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(exceptions, *args)
        self.exceptions: list[Exception] = list(exceptions)
        self.count = len(self.exceptions)
        self.total = total

    def _restore(self, text: str) -> None:
        self.count, self.total, problems = _parse_summary(text)
        self.exceptions = [StacAssetError(problem) for problem in problems]

    def _describe(self) -> str:
        of = f" of {self.total}" if self.total else ""
        first = f"{self.count}{of} asset{'' if (self.total or self.count) == 1 else 's'} failed"
        return _summary(first, self.exceptions, self.count)


class VerifyError(DescribedError):
    """Raised when files of a directory are missing, or differ from the STAC documents.

    Args:
        problems: Descriptions of at least the first ten bad files.
        count: Number of bad files.
        total: Number of files that the documents declare.
    """

    @accepts_text
    def __init__(self, problems: Sequence[str], count: int = 0, total: int = 0) -> None:
        super().__init__(list(problems), count, total)
        self.problems = list(problems)
        self.count = count
        self.total = total

    def _restore(self, text: str) -> None:
        self.count, total, self.problems = _parse_summary(text)
        self.total = total or 0

    def _describe(self) -> str:
        first = f"{self.count} of {self.total} files are missing or wrong"
        return _summary(first, self.problems, self.count)


def _summary(first: str, problems: Sequence[object], count: int) -> str:
    """Return a first line, the first ten problems, and the number of further problems."""
    lines = [first, *(f"- {problem}" for problem in problems[:_MAX_LISTED])]
    if count > _MAX_LISTED:
        lines.append(f"- and {count - _MAX_LISTED} more")
    return "\n".join(lines)


def _parse_summary(text: str) -> tuple[int, int | None, list[str]]:
    """Return the number of problems, the total, and the listed problems of a summary."""
    first, *problems = text.split("\n- ")
    counts = _COUNTS.search(first)
    if counts is None:
        return 0, None, []
    count, total = int(counts[1]), counts[2]
    return count, int(total) if total else None, problems[: min(count, _MAX_LISTED)]


class DownloadWarning(Warning):
    """Warning about a failed asset, issued instead of an error if `warn` is set."""
