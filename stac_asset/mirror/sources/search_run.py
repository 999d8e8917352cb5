"""A search that continues although the API fails in a later page.

Some APIs fail in each page beyond a depth, for example after 10,000 items, or in each page with a
certain item. Two measures reach the items behind such a page:

- The search is repeated for shorter times, which have fewer items.
- The position of the failed page is kept for the next run, which continues there, and also searches
  from the beginning.

Other APIs end the search at such a depth without an error, and report more items (`numberMatched`).
This number can also be outdated or estimated. If searches for shorter times report more items than
were returned, the items of these searches are read too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from stac_asset.errors import ResponseError, SourceError, TransferError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, moment
from stac_asset.mirror.source_item import SourceDocument
from stac_asset.mirror.sources.local_filter import mismatch
from stac_asset.mirror.sources.page_reader import PageReader
from stac_asset.mirror.sources.paging import Paging, number_matched
from stac_asset.mirror.sources.result_check import ResultCheck
from stac_asset.mirror.sources.shorter_windows import shorter_windows
from stac_asset.notices import notice
from stac_asset.stac.api_request import ApiRequest

_INTERNAL_ERROR = 500
"""Status of a page that an API cannot create, for example because of an invalid item."""

_MAX_SPLITS = 100
"""Maximum number of times that a search is divided into two shorter times."""

_MAX_TIMES = 20_000
"""Maximum number of times that are kept of a search, to divide the search if a page fails."""

_MAX_FRUITLESS = 40
"""Maximum number of consecutive divisions without a new item, such as of items with equal times."""

_MAX_FRUITLESS_READS = 3
"""Maximum number of such divisions of a search that ended without an error."""

_MAX_DEAD_SEARCHES = 3
"""Number of consecutive searches without a page, after which the API counts as unavailable."""


@dataclass(frozen=True, slots=True)
class SearchPart:
    """A search by one request and the pages that follow."""

    fields: Mapping[str, Any]
    """Arguments of the search."""

    request: ApiRequest
    """The request for the first page."""

    window: Window
    """Time window of the search."""


@dataclass(slots=True)
class _FailedSearch:
    """A search that failed in a page."""

    part: SearchPart
    error: SourceError
    position: ApiRequest | None
    texts: Sequence[Any] = ()
    """Values of `datetime` or `start_datetime` of the last items on earlier pages."""

    @property
    def times(self) -> list[datetime]:
        """Times of the last items on earlier pages."""
        return _times_of(self.texts)

    @property
    def can_depend_on_depth(self) -> bool:
        """Whether the request for a page failed. Invalid links are not divided."""
        return isinstance(self.error.__cause__, TransferError)

    @property
    def can_depend_on_item(self) -> bool:
        """Whether the API failed in a way that an item on the page can cause."""
        cause = self.error.__cause__
        return isinstance(cause, ResponseError) and cause.status == _INTERNAL_ERROR


Pages: TypeAlias = Callable[
    [ApiRequest, Paging, Mapping[str, Any]], AsyncIterator[list[SourceDocument]]
]
"""Yields the items of each page of a search."""


class SearchRun:
    """A search, in one or several parts.

    Args:
        check: Checks the results.
        requests: Returns the requests of a search with the given arguments.
        pages: Yields the pages that begin with a request.
        paging: Returns the decisions about the pages that begin with a request.
        reader: Reads the pages.
    """

    def __init__(
        self,
        check: ResultCheck,
        requests: Callable[[Mapping[str, Any]], list[ApiRequest]],
        pages: Pages,
        paging: Callable[[ApiRequest], Paging],
        reader: PageReader,
    ) -> None:
        self._reader = reader
        self._check = check
        self._requests = requests
        self._pages = pages
        self._paging = paging
        self._failures: list[_FailedSearch] = []
        self._short: list[tuple[SearchPart, int, Sequence[Any]]] = []
        """Searches that ended before the number of items that the API reported."""
        self._dead = 0
        self._is_divided = False
        self._ignores_datetime = False
        self._all_ended = True
        self.error: SourceError | None = None
        """Why items may be missing from the results, if the API failed."""
        self.position: ApiRequest | None = None
        """The failed page, at which the next run continues."""

    @property
    def is_complete(self) -> bool:
        """Whether all parts of the search reached their end."""
        return self.error is None and self._all_ended and not self._check.lost_filter

    async def items(
        self, searches: Sequence[Mapping[str, Any]], window: Window, position: ApiRequest | None
    ) -> AsyncIterator[SourceDocument]:
        """Yield the results of the search that match the criteria.

        Args:
            searches: Arguments of the searches that together are the whole search.
            window: Time window of the search.
            position: The page at which the last run failed, if any.

        Raises:
            SourceError: The API failed in all searches.
        """
        parts = [
            SearchPart(fields, request, window)
            for fields in searches
            for request in self._requests(fields)
        ]
        self._check.skips_repeated |= len(parts) > 1 or position is not None
        has_rest = False
        if position is not None:
            resumed = SearchPart(searches[0], position, window)
            async for item in self._part(resumed, is_quiet=True):
                yield item
            has_rest = not self._failures
            for failure in self._failures:
                if failure.position != position:
                    self.position = failure.position
            self._failures.clear()
            self._short.clear()
        for part in parts:
            async for item in self._part(part):
                yield item
        async for item in self._missing():
            yield item
        if not self._failures:
            self.position = None
            return
        first = self._failures[0]
        if self._check.has_accepted:
            self.position = self.position or first.position
        elif not first.can_depend_on_item:
            raise first.error
        if has_rest:
            self._all_ended = False
            notice("The API fails in a later page, so the search continued where it last failed")
            return
        self._reader.expects_failures = True
        async for item in self._divided():
            yield item
        self._reader.expects_failures = False
        if not self._check.has_accepted:
            raise first.error
        if self._failures:
            self._fail(self._failures[0])
        else:
            self.position = None
            notice(
                "The API fails in a later page, so the search was divided into shorter times",
                first.error.message,
            )

    async def _part(
        self, part: SearchPart, is_quiet: bool = False
    ) -> AsyncIterator[SourceDocument]:
        """Yield the results of a part that match the criteria. A failure is kept.

        Args:
            part: The part.
            is_quiet: Whether not to report results that do not match.
        """
        paging = self._paging(part.request)
        texts: deque[Any] = deque(maxlen=_MAX_TIMES)
        try:
            async for items in self._pages(part.request, paging, part.fields):
                self._dead = 0
                texts.extend(map(_time_text, items))
                if self._is_divided:
                    self._ignores_datetime |= any(_is_outside(item, part) for item in items)
                for item in self._check.accepted(items, is_quiet):
                    yield item
        except SourceError as error:
            self._dead += not texts
            self._failures.append(_FailedSearch(part, error, paging.position, texts))
        else:
            self._all_ended &= paging.is_complete
            if paging.is_short:
                self._short.append((part, paging.count, texts))

    async def _missing(self) -> AsyncIterator[SourceDocument]:
        """Yield the results of searches for shorter times, if they have more items."""
        before, fruitless, unresolved = self._check.count, 0, ""
        for _ in range(_MAX_SPLITS):
            if not self._short or self._failures or self._ignores_datetime:
                break
            if fruitless > _MAX_FRUITLESS_READS:
                break
            known = self._check.count
            part, count, texts = self._short.pop()
            parts = self._parts_of(part, shorter_windows(part.window, _times_of(texts)))
            try:
                has_more = await self._reports_more(parts, count)
            except SourceError:
                continue  # The search itself did not fail.
            self._check.skips_repeated = self._is_divided = True
            for shorter in parts if has_more else ():
                async for item in self._part(shorter):
                    yield item
            if has_more:
                fruitless = fruitless + 1 if self._check.count == known else 0
                unresolved = unresolved or f"{count:,} items of {part.window}"
        if unresolved and self._check.count == before:
            notice("The API reports more items for a search than it returns", unresolved)
        if self._check.count > before:
            notice(
                "The API ends a search before the number of items that it reports, so the search "
                "was divided into shorter times",
                f"{self._check.count - before:,} more items",
            )

    async def _reports_more(self, parts: Sequence[SearchPart], count: int) -> bool:
        """Return whether the API reports more items for several searches than it returned.

        Raises:
            SourceError: The API failed.
        """
        reported = 0
        for part in parts:
            response = await self._reader.read(part.request.with_limit(1))
            reported += number_matched(response.document) or 0
        # An item can be at the end of one search and at the beginning of the next.
        return reported > count + 1

    def _parts_of(self, part: SearchPart, windows: Sequence[Window]) -> list[SearchPart]:
        """Return the searches for parts of the time window of a search."""
        return [
            SearchPart(fields, request, window)
            for window in windows
            for fields in [{**part.fields, "datetime": str(window)}]
            for request in self._requests(fields)
        ]

    async def _divided(self) -> AsyncIterator[SourceDocument]:
        """Yield the results of failed parts, from searches for shorter times."""
        self._check.skips_repeated = self._is_divided = True
        pending, lost = self._failures, []
        fruitless, count = 0, self._check.count
        for _ in range(_MAX_SPLITS):
            fruitless = fruitless + 1 if self._check.count == count else 0
            count = self._check.count
            is_dead = self._dead >= _MAX_DEAD_SEARCHES or fruitless > _MAX_FRUITLESS
            if not pending or is_dead or self._ignores_datetime:
                break
            failure = pending.pop()
            windows = shorter_windows(failure.part.window, failure.times)
            if not windows or not failure.can_depend_on_depth:
                lost.append(failure)
                continue
            self._failures = []
            for part in self._parts_of(failure.part, windows):
                async for item in self._part(part):
                    yield item
            pending += self._failures
        self._failures = lost + pending

    def _fail(self, failure: _FailedSearch) -> None:
        if not failure.can_depend_on_depth:
            self.position = None
        rest = ". The next run continues at the failed page" if self.position is not None else ""
        self.error = SourceError(
            f"The search ended after {self._check.count:,} items, which are kept, and no item is "
            f"removed: {failure.error}{rest}"
        )


def _times_of(texts: Iterable[Any]) -> list[datetime]:
    return [when for text in texts if (when := moment(text)) is not None]


def _time_text(item: SourceDocument) -> Any:
    document = item.document
    properties = document.get("properties") if isinstance(document, dict) else None
    fields = properties if isinstance(properties, dict) else {}
    return fields.get("datetime") or fields.get("start_datetime")


def _is_outside(item: SourceDocument, part: SearchPart) -> bool:
    """Return whether an item contradicts the time window of a search."""
    return mismatch(item.document, Criteria(), part.window) == "datetime"
