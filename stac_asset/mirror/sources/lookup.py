"""Finds items of a STAC API by id, with a definite answer about each id if possible.

An item counts as absent only if the API is known to have searched for exactly this id. Some APIs
ignore the parameter `ids`, and others return only some of the items that they have.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from stac_asset.errors import AccessError, ConfigError, ResponseError, SourceError
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.notices import notice
from stac_asset.transfer.retry import is_transient

_IDS_PER_REQUEST = 50
"""Maximum number of ids per request. A GET request holds all ids in the URL."""

_MAX_FAILURES = 3
"""Number of consecutive failed requests after which no further item is requested."""

SearchById: TypeAlias = Callable[
    [str | None, Sequence[str]], Awaitable[tuple[list[SourceDocument], bool]]
]
"""Searches for ids of a collection, and returns the results, which can have other items, and
whether they can be all items of the API."""

ReadOwn: TypeAlias = Callable[[Key], Awaitable[SourceDocument | None]]
"""Reads the document at an item's own path. The result for a missing document is empty (None)."""


class IdLookup:
    """Requests for items by id.

    Args:
        search: Searches for ids.
        read: Reads the document at an item's own path.
        known: Ids of items that the API has, by collection. A search for such an id shows whether
            the API can search for ids.
    """

    def __init__(
        self, search: SearchById, read: ReadOwn, known: Mapping[str | None, str] | None = None
    ) -> None:
        self._search = search
        self._read = read
        self._known = known or {}
        self._failures = 0
        self.undecided: set[Key] = set()
        """Items about which the API gave no definite answer."""

    async def items(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items that the API has.

        Args:
            keys: Keys of items.
        """
        # Some APIs cannot search for ids with commas, so these are requested apart from others.
        groups: dict[tuple[str | None, bool], list[str]] = {}
        for key in keys:
            groups.setdefault((key.collection, "," in key.id), []).append(key.id)
        chunks = [
            (collection, ids[start : start + _IDS_PER_REQUEST])
            for (collection, _), ids in groups.items()
            for start in range(0, len(ids), _IDS_PER_REQUEST)
        ]
        for number, (collection, ids) in enumerate(chunks):
            try:
                async for item in self._some(collection, ids):
                    yield item
            except SourceError as error:
                # The API fails, so further requests would fail too.
                for later_collection, later in chunks[number:]:
                    self._add_undecided(later_collection, later, str(error))
                return

    async def _some(self, collection: str | None, ids: list[str]) -> AsyncIterator[SourceDocument]:
        """Yield some items.

        Raises:
            SourceError: The API fails in all attempts.
        """
        pending = dict.fromkeys(ids)
        is_reliable = False
        while pending:
            found, is_exact, is_listing = await self._matching(collection, list(pending))
            for name, item in found.items():
                del pending[name]
                is_reliable = True
                yield item
            if not is_exact:
                for name in pending:
                    own = await self._own_document(Key(collection, name), is_listing)
                    if own is not None:
                        yield own
                return
            if not found:
                if not is_reliable:
                    await self._check_search(collection, pending)
                for name in pending:
                    if (own := await self._contradiction(Key(collection, name))) is not None:
                        yield own
                return
            # An API can limit the number of results. Absent items are requested once more.

    async def _matching(
        self, collection: str | None, ids: list[str]
    ) -> tuple[dict[str, SourceDocument], bool, bool]:
        """Return the items with these ids, and whether the API searched for these ids only.

        The last value is whether the API listed all of its items.
        """
        try:
            items, is_listing = await self._search(collection, ids)
        except ConfigError:
            return {}, False, False
        except SourceError as error:
            cause = error.__cause__
            if isinstance(cause, ResponseError) and not is_transient(cause):
                return {}, False, False  # The API does not support the parameter.
            raise
        found: dict[str, SourceDocument] = {}
        is_exact = True
        for item in items:
            if item.key is None or item.key.id not in ids:
                is_exact = False
            elif item.key.collection == collection:
                found.setdefault(item.key.id, item)
        return found, is_exact, is_listing

    async def _check_search(self, collection: str | None, names: Iterable[str]) -> None:
        """Add items without a path to `undecided`, unless the API can search for ids.

        Only the search can tell whether such an item is absent. Some APIs return nothing for any
        id, or change ids before they compare them. So an id that the API has is searched too.

        Raises:
            SourceError: The API fails in all attempts.
        """
        known = self._known.get(collection)
        without_path = [name for name in names if not _has_path(Key(collection, name))]
        if known is None or not without_path:
            return
        found, _, _ = await self._matching(collection, [*without_path, known])
        if known not in found:
            reason = "a search by id does not find an item that the source has"
            self._add_undecided(collection, without_path, reason)

    async def _contradiction(self, key: Key) -> SourceDocument | None:
        """Return the document at the path of an item that an exact search did not find, if any.

        Some APIs search an index that is behind their documents. A refusal or a failure at the path
        adds the item to `undecided`.

        Args:
            key: Key of the item.

        Raises:
            SourceError: Several requests in a row failed.
        """
        if not _has_path(key):
            return None
        try:
            item = await self._read(key)
        except SourceError as error:
            cause = error.__cause__
            if isinstance(cause, AccessError) or is_transient(cause or error):
                self._failures += 1
                if self._failures >= _MAX_FAILURES:
                    raise
                self._add_undecided(key.collection, [key.id], str(error))
            return None
        self._failures = 0
        return item if item is not None and item.key == key else None

    async def _own_document(self, key: Key, is_listing: bool) -> SourceDocument | None:
        """Return the document at the path of an item, unless the item is absent.

        Items about which the API gives no definite answer are added to `undecided`.

        Args:
            key: Key of the item.
            is_listing: Whether the item is missing from a listing of all items.
        """
        reason = "its path leads to another document"
        if not _has_path(key):
            reason = "the id cannot be part of a path"
        else:
            try:
                item = await self._read(key)
            except SourceError as error:
                reason = str(error)
            else:
                if item is None or item.key == key:
                    return item
        if not is_listing:
            self._add_undecided(key.collection, [key.id], reason)
        return None

    def _add_undecided(self, collection: str | None, ids: Iterable[str], reason: str) -> None:
        for name in ids:
            self.undecided.add(Key(collection, name))
            notice(
                "The source does not tell whether it still has an item, so the item is kept",
                f"item '{name}' ({reason})",
            )


def _has_path(key: Key) -> bool:
    """Return whether an item has a path that servers read correctly.

    Many servers answer 404 to any path with an encoded slash, and remove dots.
    """
    try:
        key.id.encode()
    except UnicodeEncodeError:
        return False
    return key.collection is not None and "/" not in key.id and key.id not in (".", "..")
