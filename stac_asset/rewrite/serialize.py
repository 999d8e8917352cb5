"""TODO."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pystac

from stac_asset.errors import SourceError


def document_of(stac: pystac.Item | pystac.Collection | pystac.ItemCollection) -> dict[str, Any]:
    """Returns a rewritten object as the JSON document to write.

    Args:
        stac: What `rewrite` or `rewrite_collection` returned.

    Raises:
        SourceError: The object is nested too deeply.
    """
    if isinstance(stac, pystac.ItemCollection):
        with _bounded_depth("the item collection"):
            return stac.to_dict(transform_hrefs=False)
    with _bounded_depth(f"'{stac.id}'"):
        return stac.to_dict(include_self_link=True, transform_hrefs=False)


def json_bytes(document: dict[str, Any], indent: int | None = 2) -> bytes:
    """Returns a document as JSON in UTF-8, whatever its strings hold.

    Args:
        document: What `document_of` returned, or any JSON object.
        indent: Spaces of indentation; None is one line. An item collection, which may be large,
            has a line for each of its items instead.

    Raises:
        SourceError: The document is nested too deeply.
    """
    with _bounded_depth(f"'{document.get('id', document.get('type'))}'"):
        return _lines(document, indent)


def _lines(document: dict[str, Any], indent: int | None) -> bytes:
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
def _bounded_depth(name: str) -> Iterator[None]:
    """Maps what Python raises where it copies or writes what it could just read."""
    try:
        yield
    except RecursionError:
        raise SourceError(f"{name} cannot be copied: its fields are nested too deeply") from None


def _json(value: object, indent: int | None = None) -> bytes:
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # Half of a surrogate pair is no text, but JSON can escape it.
        return json.dumps(value, indent=indent).encode()
