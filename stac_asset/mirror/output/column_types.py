"""Internal: unifies the types of fields, because a column of a table has one type.

Real items have fields with several types, such as 1 in one item and "x" in another. The values of
such a field become JSON text in all items. Whole numbers become floats where other items have
floats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Keys on the way to a field. Elements of a list have the key `[]`."""

_ELEMENT = "[]"
_SKIPPED = frozenset({("geometry",), ("bbox",)})
"""Fields that are converted separately, with all below."""

_ASSETS = ("assets",)

_MAX_INTEGER = 2**63 - 1
"""Maximum of the 64-bit integers of a column."""


@dataclass(slots=True)
class ColumnTypes:
    """The types of all fields of items."""

    _kinds: dict[Path, set[str]] = field(default_factory=dict)

    def add(self, item: Any) -> None:
        """Record the types of an item's fields.

        Args:
            item: The document of the item.
        """
        pending: list[tuple[Path, Any]] = [((), item)]
        while pending:
            path, value = pending.pop()
            kind = _kind(value)
            if kind is None or path in _SKIPPED:
                continue
            self._kinds.setdefault(path, set()).add(kind)
            if isinstance(value, dict):
                pending += [((*path, key), entry) for key, entry in value.items()]
            elif isinstance(value, list):
                pending += [((*path, _ELEMENT), entry) for entry in value]

    def text_fields(self) -> set[Path]:
        """Return the fields whose values have no common type."""
        found = {path for path, kinds in self._kinds.items() if len(kinds - {"float"}) > 1}
        found |= {path for path, kinds in self._kinds.items() if "large" in kinds}
        found |= {
            path
            for path, kinds in self._kinds.items()
            if "float" in kinds and kinds - {"float", "int"}
        }
        return {_without_elements(path) for path in found}

    def unified(self, items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield items in which each field has one type.

        Args:
            items: The items that were added.
        """
        texts = self.text_fields()
        floats = {path for path, kinds in self._kinds.items() if kinds == {"int", "float"}}
        for item in items:
            yield _unified(item, (), texts, floats)


def with_texts(items: Iterable[dict[str, Any]], texts: Set[Path]) -> Iterator[dict[str, Any]]:
    """Yield items in which some fields are JSON text.

    Args:
        items: The items.
        texts: The fields, as `ColumnTypes.text_fields` returned them for other items.
    """
    for item in items:
        yield _unified(item, (), texts, frozenset()) if texts else item


def name_of(path: Path) -> str:
    """Return the name of a field for messages, such as `properties.eo:cloud_cover`.

    Args:
        path: Keys on the way to the field.
    """
    return ".".join(path)


def _unified(value: Any, path: Path, texts: Set[Path], floats: Set[Path]) -> Any:
    if value is None or path in _SKIPPED:
        return value
    if path in texts:
        return json.dumps(value)
    if isinstance(value, dict):
        fields = {key: _unified(entry, (*path, key), texts, floats) for key, entry in value.items()}
        # A column cannot have objects without fields, except for the assets of an item.
        return fields or ({} if path == _ASSETS else None)
    if isinstance(value, list):
        return [_unified(entry, (*path, _ELEMENT), texts, floats) for entry in value]
    return float(value) if path in floats else value


def _kind(value: Any) -> str | None:
    """Return the name of a value's type, or None for null."""
    match value:
        case None:
            return None
        case bool():
            return "bool"
        case int():
            return "int" if abs(value) <= _MAX_INTEGER else "large"
        case float():
            return "float"
        case str():
            return "text"
        case dict():
            return "object"
    return "list"


def _without_elements(path: Path) -> Path:
    """Return the list of a path to elements, because text replaces the list as a whole."""
    while path and path[-1] == _ELEMENT:
        path = path[:-1]
    return path
