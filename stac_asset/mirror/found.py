"""What a source gives for an item, and by what an item is known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from stac_asset.errors import StacAssetError
from stac_asset.mirror.criteria import Criteria
from stac_asset.mirror.window import Window


class Key(NamedTuple):
    """What tells an item from all others of a mirror."""

    collection: str | None
    id: str


@dataclass(frozen=True, slots=True)
class Found:
    """An item, or a collection, as a source gives it."""

    document: Any = field(repr=False)
    """The parsed document, of any shape: it may be signed, so it is not shown."""

    base: str = field(repr=False)
    """Where it is from: its own word for that counts more, unless that is local and this is not."""

    etag: str | None = None
    """What the source calls this version of the document."""

    @property
    def key(self) -> Key | None:
        """What it is known by, or None where it has no id."""
        fields = self.document if isinstance(self.document, dict) else {}
        name, collection = fields.get("id"), fields.get("collection")
        if not isinstance(name, str) or not name:
            return None
        return Key(collection if isinstance(collection, str) and collection else None, name)


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
