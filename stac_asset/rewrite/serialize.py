"""Serializes STAC objects as JSON documents. `api`, `mirror` and the flows write the result."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pystac

from stac_asset.errors import SourceError
from stac_asset.notices import notice

NOT_FINITE = "NaN, Infinity or a number out of range is replaced by null, because JSON has none"
"""Condition of the notice about numbers that JSON does not have."""


def document_of(stac: pystac.Item | pystac.Collection | pystac.ItemCollection) -> dict[str, Any]:
    """Return the JSON document of a rewritten object.

    Args:
        stac: The result of `rewrite` or `rewrite_collection`.

    Raises:
        SourceError: The object is nested too deeply.
    """
    if isinstance(stac, pystac.ItemCollection):
        with bounded_depth("the item collection"):
            return stac.to_dict(transform_hrefs=False)
    with bounded_depth(f"'{stac.id}'"):
        return stac.to_dict(include_self_link=True, transform_hrefs=False)


def json_bytes(document: dict[str, Any], indent: int | None = 2) -> bytes:
    """Return a document as JSON in UTF-8. Invalid Unicode is escaped.

    Numbers that JSON does not have, such as NaN, are written as null, with a notice.

    Args:
        document: The result of `document_of`, or any JSON object.
        indent: Number of spaces of indentation. None means a single line. An item collection may
            be large, so each of its items is a single line instead.

    Raises:
        SourceError: The document is nested too deeply.
    """
    with bounded_depth(f"'{document.get('id', document.get('type'))}'"):
        return _document_json(document, indent)


def without_nan(value: Any, name: str = "") -> Any:
    """Return a JSON value with null in place of NaN and infinite numbers.

    Args:
        value: A value of Python's JSON types. It is not changed.
        name: Name of the document that contains the value, for the notice.
    """
    if isinstance(value, Mapping):
        name = str(value["id"]) if isinstance(value.get("id"), str) else name
        return {key: without_nan(entry, name) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry, name) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        notice(NOT_FINITE, name)
        return None
    return value


def _document_json(document: dict[str, Any], indent: int | None) -> bytes:
    features = document.get("features")
    if indent is None or document.get("type") != "FeatureCollection" or not features:
        return _json(document, indent)
    lines = b"[\n" + b",\n".join(map(_json, features)) + b"\n]"
    fields = (
        _json(name) + b": " + (lines if name == "features" else _json(value))
        for name, value in document.items()
    )
    return b"{" + b", ".join(fields) + b"}"


@contextmanager
def bounded_depth(name: str) -> Iterator[None]:
    """Raise `SourceError` for a document that is nested too deeply to copy or write."""
    try:
        yield
    except RecursionError:
        raise SourceError(f"{name} cannot be copied: its fields are nested too deeply") from None


def _json(value: object, indent: int | None = None) -> bytes:
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # UTF-8 cannot encode half of a surrogate pair. JSON can escape it.
        return json.dumps(value, indent=indent, allow_nan=False).encode()
    except ValueError:
        return _json(without_nan(value), indent)
