"""Internal: items of an item collection that are not valid, and items that are repeated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pystac

from stac_asset.errors import SourceError
from stac_asset.notices import notice

REPEATED = "Identical items are used only once"
"""Condition of the notice about repeated items."""


@dataclass(frozen=True, slots=True)
class InvalidItem:
    """A document of an item collection that is not a valid STAC item."""

    number: int
    """Position of the document in the item collection, from 1."""

    name: str
    """Position and id for messages, such as `item 3 ('S2B_31UFU')`."""

    error: SourceError
    """The reason."""

    document: Any
    """The parsed document, of any type."""

    def placeholder(self) -> pystac.Item:
        """Return an item without assets, which represents the document in reports."""
        fields = self.document if isinstance(self.document, dict) else {}
        name, collection = fields.get("id"), fields.get("collection")
        return pystac.Item(
            name if isinstance(name, str) else str(self.number),
            None,
            None,
            datetime.now(UTC),
            {},
            collection=collection if isinstance(collection, str) else None,
        )


class ReadItems(pystac.ItemCollection):
    """An item collection that was read from a document."""

    invalid: tuple[InvalidItem, ...] = ()
    """The documents of the item collection that are not valid items."""


def unique_items(items: Iterable[pystac.Item]) -> tuple[pystac.Item, ...]:
    """Return items without repetitions of identical items.

    Args:
        items: The items. Items with the same id and collection may differ in content.
    """
    first: dict[tuple[str, str], pystac.Item] = {}
    contents: dict[tuple[str, str], set[object]] = {}
    unique = []
    for item in items:
        name = str(item.collection_id), str(item.id)
        if name in first:  # Only then, because documents are slow to write.
            known = contents.setdefault(name, {_content(first[name])})
            content = _content(item)
            if content in known:
                notice(REPEATED, f"item '{item.id}'")
                continue
            known.add(content)
        first.setdefault(name, item)
        unique.append(item)
    return tuple(unique)


def _content(item: pystac.Item) -> object:
    """Return a value that is equal for identical items."""
    try:
        document = item.to_dict(include_self_link=False, transform_hrefs=False)
        return json.dumps(document, sort_keys=True)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return id(item)  # pystac cannot write some items with malformed fields.
