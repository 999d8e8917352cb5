"""TODO."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


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
