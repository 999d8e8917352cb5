"""Requests documents and pages of a STAC API, with retries and smaller pages if necessary.

Many APIs refuse large pages, with various statuses: 400, 413 or 422 for the parameter, 500, 502 or
504 for a response that is too large or too slow, or a page without items.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from yarl import URL

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import in_thread
from stac_asset.config import Config
from stac_asset.errors import (
    ResponseError,
    SourceError,
    StacAssetError,
    StalledError,
    TruncatedError,
)
from stac_asset.mirror.sources.api_io import ApiIO, ApiResponse
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.stac.api_request import ApiRequest
from stac_asset.transfer.retry import is_transient, retry

_REFUSED = frozenset({400, 413, 422})
"""Statuses of permanent errors that a smaller page may avoid."""

_ATTEMPTS_PER_SIZE = 3
"""Attempts for a page after server errors, before a smaller page is requested."""

_ATTEMPTS_AFTER_TIMEOUT = 2
"""Attempts for a page after timeouts, before a smaller page is requested."""

_PROBE_SIZE = 10
"""Number of items per page that every API supports, to check a search without results."""


class PageReader:
    """Reads documents and pages of a STAC API.

    Args:
        href: Root of the API, whose client provides the secret headers.
        io: Sends the requests.
        clients: The clients of the run.
        config: The configuration, for the number of attempts.
    """

    def __init__(self, href: str, io: ApiIO, clients: Clients, config: Config) -> None:
        self._href = href
        self._io = io
        self._clients = clients
        self._config = config
        self.expects_failures = False
        """Whether a page of the search is known to fail, so that failures need fewer attempts."""
        self.max_size: int | None = None
        """Accepted number of items per page, after the API refused a larger number."""

    async def read(self, request: ApiRequest, max_attempts: int | None = None) -> ApiResponse:
        """Return a document. A failed request is retried.

        Args:
            request: The request.
            max_attempts: Maximum number of attempts, if lower than `Config.http_max_attempts`.

        Raises:
            SourceError: The request failed in all attempts.
        """
        attempts = self._config.http_max_attempts
        return await self._read(request, False, min(attempts, max_attempts or attempts))

    async def page(self, request: ApiRequest, is_first: bool) -> tuple[ApiRequest, ApiResponse]:
        """Return a page of a search, and the request that succeeded, which may have a smaller page.

        Args:
            request: The request for the page.
            is_first: Whether the page is the first of the search. A smaller page size is then used
                for all searches of the run.

        Raises:
            SourceError: The page failed in all attempts.
        """
        attempts = self._config.http_max_attempts
        if self.expects_failures:
            attempts = min(_ATTEMPTS_PER_SIZE, attempts)
        sizes = list(self._smaller_sizes(request))
        used = min(_ATTEMPTS_PER_SIZE, attempts) if sizes else attempts
        try:
            return request, await self._read(request, True, used)
        except SourceError as error:
            if not sizes or not _may_be_too_large(error.__cause__):
                raise
            refusal = error
        for size in sizes:
            smaller = request.with_limit(size)
            try:
                response = await self._read(smaller, True, 1)
            except SourceError as error:
                if not _may_be_too_large(error.__cause__):
                    raise
                continue
            self._remember(request, size, is_first)
            return smaller, response
        self.max_size = None  # The size was not the reason.
        if used < attempts and is_transient(refusal.__cause__ or refusal):
            return request, await self._read(request, True, attempts - used)
        raise refusal

    async def page_with_items(
        self, request: ApiRequest, empty: ApiResponse, is_expected: bool
    ) -> tuple[ApiRequest, ApiResponse]:
        """Return a smaller page with items in place of an empty page, if possible.

        Args:
            request: The request for the empty page.
            empty: The empty page.
            is_expected: Whether the API reports matching items. Otherwise a single small page
                is requested first.
        """
        sizes = list(self._smaller_sizes(request))
        if not is_expected:
            probe = [size for size in sizes if size <= _PROBE_SIZE][:1]
            if not probe or (request.limit or 0) <= _PROBE_SIZE:
                return request, empty
            sizes = probe + sizes
        for number, size in enumerate(sizes):
            smaller = request.with_limit(size)
            try:
                response = await self._read(smaller, True, 1)
            except SourceError:
                break
            if response.document["features"]:
                if number == 0 and not is_expected:
                    return await self.page_with_items(request, empty, True)
                self._remember(request, size, True)
                return smaller, response
            if not is_expected:
                break
        return request, empty

    def _smaller_sizes(self, request: ApiRequest) -> Iterator[int]:
        """Yield the page sizes to try after a page was refused."""
        size = (request.limit or 0) // 2
        while size:
            yield size
            size //= 2

    def _remember(self, request: ApiRequest, size: int, is_first: bool) -> None:
        if self.expects_failures:
            return
        if is_first:
            self.max_size = size
        notice(
            "The API does not return pages of the requested size, so smaller pages are requested. "
            "Set `search.page_size` to request them from the beginning",
            f"{size} instead of {request.limit} items per page at '{redact_href(self._href)}'",
        )

    async def _read(self, request: ApiRequest, is_page: bool, attempts: int) -> ApiResponse:
        """Return the response to a request, with retries.

        Raises:
            SourceError: The request failed in all attempts.
        """
        timeouts = 0

        def is_retryable(error: Exception) -> bool:
            nonlocal timeouts
            timeouts += isinstance(error, StalledError)
            is_slow = is_page and timeouts >= _ATTEMPTS_AFTER_TIMEOUT and (request.limit or 0) > 1
            return is_transient(error) and not is_slow

        async def attempt() -> ApiResponse:
            self._io.secrets = await client.secrets(URL(self._href))
            return await in_thread(call)

        call = partial(self._send_for_page if is_page else self._io.send, request)
        try:
            client = await self._clients.get_client(self._href)
            return await retry(attempt, self._config, is_retryable, attempts)
        except StacAssetError as error:
            raise SourceError(
                f"Request to the API '{redact_href(self._href)}' failed: {error}"
            ) from error

    def _send_for_page(self, request: ApiRequest) -> ApiResponse:
        """Return a page of a search.

        Raises:
            TransferError: The request failed, or the response has no features, such as an error
                message with status 200.
        """
        response = self._io.send(request)
        if not isinstance(response.document.get("features"), list):
            raise TruncatedError("Response to a search has no list of items in `features`")
        return response


def _may_be_too_large(error: Any) -> bool:
    """Return whether a smaller page may avoid the error of a request."""
    if isinstance(error, ResponseError):
        return error.status in _REFUSED or (error.status >= 500 and error.transient)
    return isinstance(error, StalledError | TruncatedError)
