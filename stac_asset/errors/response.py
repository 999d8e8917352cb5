"""Internal: errors for responses with an error status."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import ClientResponseError, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from stac_asset.errors.base import DescribedError, StacAssetError, accepts_text
from stac_asset.errors.transfer import AccessError, NotFoundError, TransferError
from stac_asset.redact import redact_href

_STATUS = re.compile(r"(?:^|: )(\d{3})(?: [^:]*?)? for \S")
"""The status in the text of a `ResponseError`."""


class ResponseError(DescribedError, TransferError, ClientResponseError):
    """Raised when a server responds with an error status, or responds without the file.

    Headers and the query of the href are not stored, because they may contain secrets.

    Cure: Look at the status and the advice in the text. Errors of the server pass by themselves:
    start the run again later.

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
    """Raised when a server responds with status 404 or 410.

    Cure: Update the item, because the file was moved or removed.
    """


class ResponseForbiddenError(ResponseError, AccessError):
    """Raised when a server responds with status 401, 403 or 407.

    Cure: Configure credentials for the host, or check that the account may read the file.
    """

    @property
    def may_be_limit(self) -> bool:  # type: ignore[override]
        """Whether the status is 403."""
        return self.status == 403
