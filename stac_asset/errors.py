"""Every error that this package raises on purpose.

One root, and each error is also the standard one where that is true:

    StacAssetError
    ├── ConfigError (ValueError)
    │   ├── CannotIncludeAndExclude
    │   └── MissingCredentialError           a client needs a credential that nobody gave
    ├── SourceError (ValueError)             a document that cannot be read, or is no STAC
    ├── NoAssetsError (ValueError)           nothing to download on the object
    ├── AssetOverwriteError                  two assets would get the same file
    ├── UnsafePathError (ValueError)         a file would lie outside of its directory
    ├── SchemeError (ValueError)             an href that no client claims
    ├── HrefError (ValueError)               an href that is missing, empty, or relative to nothing
    ├── LocalHrefError (PermissionError)     a remote item that names a local file
    ├── TransferError                        the bytes of one asset did not arrive
    │   ├── ResponseError (aiohttp.ClientResponseError)
    │   │   ├── ResponseNotFoundError (NotFoundError)
    │   │   └── ResponseForbiddenError (AccessError)
    │   ├── NotFoundError (FileNotFoundError)
    │   ├── AccessError (PermissionError)
    │   ├── LoginPageError (AccessError)     a login page in place of the file
    │   ├── TokenError (AccessError)         a token endpoint gave no token
    │   ├── CredentialError (AccessError)    credentials that have a name do not open the file
    │   ├── ConnectionFailedError (ConnectionError)
    │   ├── StalledError (TimeoutError)
    │   ├── TruncatedError                   fewer bytes than were announced
    │   ├── RangeError                       not the bytes that were asked for, or announced
    │   ├── SizeError                        not the size that `file:size` says
    │   ├── ChecksumError                    not the digest that `file:checksum` says
    │   ├── DestinationError (OSError)       the file cannot be written: full disk, permissions
    │   └── UnexpectedError                  a client raised something else
    ├── RunningLoopError (RuntimeError)      a blocking function inside an event loop
    ├── ContentTypeError                     not the media type that the asset says
    ├── VerifyError                          files of a directory that are missing or wrong
    └── DownloadError                        what went wrong in a whole run

`DownloadWarning` is a warning, not an error. No message holds the query of an href.

Serializers that keep only the text of an error, as Prefect's for JSON, make it again by
`type(error)(str(error))`. Each class accepts its own text as its only argument: the copy has the
same text, and the numbers that the text states.
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

_SHOWN = 10
"""How many errors the text of a `DownloadError` names."""

_COUNTS = re.compile(r"(\d+)(?: of (\d+))? (?:assets? failed|files are missing or wrong)$")
"""The end of the first line of a `DownloadError` or a `VerifyError`."""

_CONTENT_TYPES = re.compile(r"content type '(.*)' where the asset says '(.*)': set ")
_STATUS = re.compile(r"(?:^|: )(\d{3})(?: [^:]*?)? for \S")


def _or_its_text(init: Callable[_P, None]) -> Callable[_P, None]:
    """Return the `__init__` of an error that accepts the error's text too, with `_read`.

    The signature stays the documented one.
    """

    @wraps(init)
    def either(*args: _P.args, **kwargs: _P.kwargs) -> None:
        error, *given = args
        if isinstance(error, ContentTypeError) and len(given) == 1 and not kwargs:
            error._read(str(given[0]))
        else:
            init(*args, **kwargs)

    return either


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
        """What went wrong, without whose asset it was."""
        return str(self.args[0]) if self.args else type(self).__name__

    def __str__(self) -> str:
        text = self.message
        if self.key is not None:
            owner = f" of {self.owner}" if self.owner else ""
            text = f"asset '{self.key}'{owner}: {text}"
        # Ids and keys may hold half of a surrogate pair, which no terminal or log can take.
        return text.encode(errors="backslashreplace").decode()


class ConfigError(StacAssetError, ValueError):
    """Raised if the configuration is not valid."""


class CannotIncludeAndExclude(ConfigError):
    """Raised if both `include` and `exclude` are set."""


CantIncludeAndExclude = CannotIncludeAndExclude
"""The other name under which it is documented."""


class MissingCredentialError(ConfigError):
    """Raised if a client needs a credential that nobody gave it, before it asks any server."""


class SourceError(StacAssetError, ValueError):
    """Raised if a STAC document cannot be read, or is none."""


class NoAssetsError(StacAssetError, ValueError):
    """Raised if an object has no assets to download."""


class AssetOverwriteError(StacAssetError):
    """Raised when an asset would be overwritten during download.

    Args:
        hrefs: The hrefs, or descriptions of the assets, that would share one file; or the text of
            such an error.
        path: The file that they would share.
    """

    def __init__(self, hrefs: list[str] | str, path: str | None = None) -> None:
        super().__init__(hrefs, path)
        self.hrefs = [] if isinstance(hrefs, str) else hrefs
        self.path = path

    @property
    def message(self) -> str:
        """Which assets would share which file, and what to do."""
        if isinstance(self.args[0], str):
            return self.args[0]
        file = f"the file {self.path}" if self.path else "one file"
        return (
            f"{' and '.join(redact_text(href) for href in self.hrefs)} would share {file}: "
            "use FileNameStrategy.KEY, a path_template that tells them apart, or exclude one"
        )


class UnsafePathError(StacAssetError, ValueError):
    """Raised when a file would lie outside of the directory that it is meant for."""


class SchemeError(StacAssetError, ValueError):
    """Raised when no client claims an href."""


class HrefError(StacAssetError, ValueError):
    """Raised when an asset's href is missing, empty, or relative to nothing."""


class LocalHrefError(StacAssetError, PermissionError):
    """Raised when an item that is not local itself names a local file."""


class RunningLoopError(StacAssetError, RuntimeError):
    """Raised when a blocking function is called where an event loop runs."""


class ContentTypeError(StacAssetError):
    """The expected content type does not match the actual content type.

    Args:
        actual: The media type that the source gave.
        expected: The media type that the asset names.
    """

    @_or_its_text
    def __init__(self, actual: str, expected: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(actual, expected, *args)
        self.actual = actual
        self.expected = expected

    def _read(self, text: str) -> None:
        StacAssetError.__init__(self, text)
        found = _CONTENT_TYPES.search(text)
        self.actual, self.expected = found.groups() if found else ("", "")

    @property
    def message(self) -> str:
        """Both types, and what to do if the source is right."""
        if len(self.args) == 1:
            return super().message
        return (
            f"the source says content type '{self.actual}' where the asset says "
            f"'{self.expected}': set http_check_content_type=False if that is fine"
        )


class TransferError(StacAssetError):
    """Raised when the bytes of one asset did not arrive.

    Attributes:
        transient: Whether a later attempt may succeed.
        retry_after: Seconds that the source asked to wait before the next attempt.
    """

    transient: bool = False
    retry_after: float | None = None


class NotFoundError(TransferError, FileNotFoundError):
    """Raised when the source has no such file."""


class AccessError(TransferError, PermissionError):
    """Raised when the source does not let us in."""


class LoginPageError(AccessError):
    """Raised when a source answers with a login page in place of the file."""


class TokenError(AccessError):
    """Raised when a token endpoint gives no token."""


class CredentialError(AccessError):
    """Raised when credentials that have a name do not open a file; the message names them."""


class ConnectionFailedError(TransferError, ConnectionError):
    """Raised when a connection cannot be made, or breaks."""

    transient = True


class StalledError(TransferError, TimeoutError):
    """Raised when a source sends nothing for too long, or takes too long in all."""

    transient = True


class TruncatedError(TransferError):
    """Raised when fewer bytes arrive than were announced."""

    transient = True


class RangeError(TransferError):
    """Raised when a source sends other bytes than were asked for, or than it announced."""

    transient = True


class SizeError(TransferError):
    """Raised when a file has not the size that `file:size` says."""


class ChecksumError(TransferError):
    """Raised when a file has not the digest that `file:checksum` says."""


class DestinationError(TransferError, OSError):
    """Raised when a file cannot be written: a full disk, a missing permission."""


class UnexpectedError(TransferError):
    """Raised when a client raised an error that it does not document; `__cause__` shows it."""


class ResponseError(TransferError, ClientResponseError):
    """Raised when a server answers with an error status, or one that comes without the file.

    It holds no header, and no query of the href: these may be secrets.

    Args:
        status: The HTTP status; or the text of such an error.
        reason: The server's word for it.
        href: What was asked for.
        retry_after: Seconds that the server asked to wait.
        hint: What may be done about it, if there is something to say.
    """

    # 202 is for what is going to be there.
    _TRANSIENT = frozenset({202, 408, 425, 429})
    # A server that knows no GET, or no HTTP/1.1, will not learn it meanwhile.
    _UNABLE = frozenset({501, 505})

    def __init__(
        self,
        status: int | str,
        reason: str = "",
        href: str = "",
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        shown = redact_href(href)
        args: tuple[Any, ...] = (status, reason, shown, retry_after, hint)
        if isinstance(status, str):
            args = (status,)
            found = _STATUS.search(status)
            status = int(found[1]) if found else 0
        url = URL(shown.removesuffix("?…"), encoded=True)
        headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
        ClientResponseError.__init__(
            self, RequestInfo(url, "GET", headers, url), (), status=status, message=reason
        )
        self.args = args
        self.retry_after = retry_after
        self.transient = status in self._TRANSIENT or (status >= 500 and status not in self._UNABLE)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {"owner": self.owner, "key": self.key}

    @property
    def message(self) -> str:
        """The status and the href, and what may be done."""
        if len(self.args) == 1:
            return str(self.args[0])
        status, reason, href, _, hint = self.args
        return f"{status} {reason} for {href}{': ' if hint else ''}{hint}".replace("  ", " ")

    @message.setter
    def message(self, value: str) -> None:
        """Ignores what aiohttp's constructor sets: the text is made of our own arguments."""

    __str__ = StacAssetError.__str__

    @staticmethod
    def of(
        status: int,
        reason: str,
        href: str,
        retry_after: float | None = None,
        hint: str = "",
    ) -> ResponseError:
        """Returns the error class that fits a status.

        Args:
            status: The HTTP status.
            reason: The server's word for it.
            href: What was asked for.
            retry_after: Seconds that the server asked to wait.
            hint: What may be done about it.
        """
        kind = {404: ResponseNotFoundError, 410: ResponseNotFoundError}.get(status, ResponseError)
        if status in (401, 403, 407):
            kind = ResponseForbiddenError
        return kind(status, reason, href, retry_after, hint)


class ResponseNotFoundError(ResponseError, NotFoundError):
    """Raised when a server answers 404 or 410."""


class ResponseForbiddenError(ResponseError, AccessError):
    """Raised when a server answers 401, 403 or 407."""


class DownloadError(StacAssetError):
    """A collection of exceptions encountered while downloading.

    Args:
        exceptions: Every error of the run; the text names the first ten. Or the text of such an
            error: `exceptions` then has a `StacAssetError` for each one that the text names.
        total: How many assets there were in all, if known.

    Attributes:
        count: How many assets failed.
    """

    def __init__(
        self,
        exceptions: Sequence[Exception] | str,
        *args: Any,
        total: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exceptions, *args)
        self.total = total
        if isinstance(exceptions, str):
            self.count, self.total, named = _counted(exceptions)
            self.exceptions: list[Exception] = [StacAssetError(text) for text in named]
        else:
            self.exceptions = list(exceptions)
            self.count = len(self.exceptions)

    @property
    def message(self) -> str:
        """How many assets failed, and the first ten errors, a line each."""
        if isinstance(self.args[0], str):
            return self.args[0]
        of = f" of {self.total}" if self.total else ""
        first = f"{self.count}{of} asset{'' if (self.total or self.count) == 1 else 's'} failed"
        return _listed(first, self.exceptions, self.count)


class VerifyError(StacAssetError):
    """Raised when files of a directory are missing, or are not what their documents say.

    Args:
        problems: What is wrong with the first of them, at least with the first ten; or the text of
            such an error.
        count: How many they are.
        total: How many files there should be.
    """

    def __init__(self, problems: Sequence[str] | str, count: int = 0, total: int = 0) -> None:
        if isinstance(problems, str):
            super().__init__(problems)
            count, of, problems = _counted(problems)
            total = of or 0
        else:
            super().__init__(list(problems), count, total)
        self.problems = list(problems)
        self.count = count
        self.total = total

    @property
    def message(self) -> str:
        """How many files are bad, and the first ten, a line each."""
        if isinstance(self.args[0], str):
            return self.args[0]
        first = f"{self.count} of {self.total} files are missing or wrong"
        return _listed(first, self.problems, self.count)


def _listed(first: str, problems: Sequence[object], count: int) -> str:
    """Returns a line, the first ten problems, and how many more there are."""
    lines = [first, *(f"- {problem}" for problem in problems[:_SHOWN])]
    if count > _SHOWN:
        lines.append(f"- and {count - _SHOWN} more")
    return "\n".join(lines)


def _counted(text: str) -> tuple[int, int | None, list[str]]:
    """Returns the number of problems, their total, and the named problems of a listed text."""
    first, *problems = text.split("\n- ")
    counts = _COUNTS.search(first)
    if counts is None:
        return 0, None, []
    count, total = int(counts[1]), counts[2]
    return count, int(total) if total else None, problems[: min(count, _SHOWN)]


class DownloadWarning(Warning):
    """A warning for when something couldn't be downloaded.

    Used when we don't want to cancel all downloads, but still inform the user about the problem.
    """
