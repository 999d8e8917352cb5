"""What a source gives for an item, and by what an item is known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from stac_asset.errors import StacAssetError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Found, Key


class Source(Protocol):
    """Where a mirror takes its items from."""

    href: str
    """Its href."""

    whole: bool
    """Whether the last search came to its end, with all that there is."""

    errors: list[StacAssetError]
    """Why items of the last search could not be read, and are not among what it gave."""

    async def check(self, criteria: Criteria) -> None:
        """Checks that the source can answer a search.

        Raises:
            ConfigError: It cannot; the text names the field.
        """
        ...

    async def collection(self, name: str) -> Found | None:
        """Returns a collection, or None where there is none."""
        ...

    def items(self, criteria: Criteria, window: Window) -> AsyncIterator[Found]:
        """Yields the items of a search.

        Raises:
            SourceError: The source cannot be read.
        """
        ...

    def by_id(self, keys: Iterable[Key]) -> AsyncIterator[Found]:
        """Yields those items that the source still has, of some."""
        ...
