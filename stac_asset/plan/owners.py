"""Internal: the items and collections that have assets, and names for messages and documents."""

from __future__ import annotations

from typing import TypeAlias

import pystac

from stac_asset.plan.file_names import safe_name

Owner: TypeAlias = pystac.Item | pystac.Collection
"""An object that has assets."""


def owner_name(owner: Owner) -> str:
    """Return the name of an item or collection for errors, such as `item 'S2B_31UFU'`.

    Args:
        owner: The item or collection.
    """
    return f"{'item' if isinstance(owner, pystac.Item) else 'collection'} '{owner.id}'"


def document_name(owner: Owner) -> str:
    """Return the file name of an item's document, made from the item's id.

    Args:
        owner: The item.
    """
    return safe_name(f"{owner.id}.json")


def owner_id(name: str) -> str:
    """Return the id in a name that `owner_name` made. Other names are returned unchanged.

    Args:
        name: The name.
    """
    _, quote, rest = name.partition("'")
    return rest.removesuffix("'") if quote else name
