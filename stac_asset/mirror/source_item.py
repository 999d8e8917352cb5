"""Items and collections read from a source, their links, and the keys that identify items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Key(NamedTuple):
    """Collection and id, which identify an item within a mirror."""

    collection: str | None
    id: str


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """An item or a collection of a source."""

    document: Any = field(repr=False)
    """The parsed document, of any shape. Hidden from `repr`, because hrefs may be signed."""

    base: str = field(repr=False)
    """Href of the document, which resolves relative hrefs.

    The document's own self link takes precedence, unless the self link is local and this href is
    not.
    """

    etag: str | None = None
    """ETag of the document. Unset for items of a page or an item file."""

    _keys: list[Key | None] = field(default_factory=list, repr=False, compare=False)
    """The result of `key`, after the first access or if known before."""

    @property
    def assets(self) -> Mapping[str, Any]:
        """The assets by key, of any shape."""
        assets = self.document.get("assets") if isinstance(self.document, dict) else None
        return assets if isinstance(assets, dict) else {}

    @property
    def key(self) -> Key | None:
        """Key of the item. Unset for a document without a valid id."""
        if not self._keys:
            self._keys.append(key_of(self.document))
        return self._keys[0]


def key_of(document: Any) -> Key | None:
    """Return the key of an item. Unset for a document without a valid id.

    Args:
        document: The item's document, of any shape.
    """
    if not isinstance(document, dict):
        return None
    name, collection = document.get("id"), document.get("collection")
    if not isinstance(name, str) or not name or not _is_unicode(name):
        return None
    if not isinstance(collection, str) or not collection:
        return Key(None, name)
    return Key(collection, name) if _is_unicode(collection) else None


def _is_unicode(text: str) -> bool:
    """Return whether a text can be part of a URL. JSON can contain halves of surrogate pairs."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def links_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the valid links of a document: objects with a relation and an href.

    Args:
        document: The document, of any shape.
    """
    links = document.get("links")
    return [
        link
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, dict)
        and isinstance(link.get("rel"), str)
        and isinstance(link.get("href"), str)
    ]
