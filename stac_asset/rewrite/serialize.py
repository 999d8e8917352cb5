"""Serializes STAC objects as JSON documents. `api`, `mirror` and the flows write the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pystac

from stac_asset.errors import SourceError


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

    Args:
        document: The result of `document_of`, or any JSON object.
        indent: Number of spaces of indentation. None means a single line. An item collection may
            be large, so each of its items is a single line instead.

    Raises:
        SourceError: The document is nested too deeply.
    """
    with bounded_depth(f"'{document.get('id', document.get('type'))}'"):
        return _document_json(document, indent)


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
        return json.dumps(value, indent=indent, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # UTF-8 cannot encode half of a surrogate pair. JSON can escape it.
        return json.dumps(value, indent=indent).encode()
