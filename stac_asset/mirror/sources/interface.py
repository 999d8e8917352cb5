"""The interface through which a run of a mirror reads the items and collections of a source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from stac_asset.errors import StacAssetError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key, SourceDocument


class ItemSource(Protocol):
    """Source of a mirror's items: a STAC API, a static catalog, or a file of items."""

    href: str
    """Href of the source."""

    is_complete: bool
    """Whether the last search reached the end and returned all matching items."""

    errors: list[StacAssetError]
    """Errors of the last search, for item documents that could not be read."""

    undecided: set[Key]
    """Items about which the last call of `items_by_id` got no definite answer."""

    position: str | None
    """Text of the position at which the last search failed, if any.

    The next run sets this text again, so that the search continues there too.
    """

    async def check(self, criteria: Criteria) -> None:
        """Check that the source supports a search.

        Raises:
            ConfigError: The source does not support the search; the message names the field.
        """
        ...

    async def collection(self, name: str) -> SourceDocument | None:
        """Return a collection, if known."""
        ...

    def items(self, criteria: Criteria, window: Window) -> AsyncIterator[SourceDocument]:
        """Yield the items of a search.

        Raises:
            SourceError: The source cannot be read.
        """
        ...

    def items_by_id(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items with the given keys that the source still has.

        A source without a definite answer about an item adds the key to `undecided`.

        Raises:
            SourceError: The source cannot be read.
        """
        ...
