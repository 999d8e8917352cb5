"""Digests of the metadata of items, which show whether metadata changed at the source.

A digest is the same for documents that differ only in the order of keys, the form of numbers and
times, and signatures in hrefs. The digest is computed from JSON text, because a walk through the
values of each item would take several times as long.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from stac_asset.mirror.search.window import canonical_time
from stac_asset.redact import unsigned_href

_EXCLUDED = frozenset({"assets", "links", "stac_extensions"})
"""Fields of an item that are not in the digest of the item, or only in another form.

Each asset has its own digest. Links differ from server to server, and can be signed."""

_TIME = re.compile(r'"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?)"')
_URL = re.compile(r'"([A-Za-z][A-Za-z0-9+.-]*://[^"]*[?@#][^"]*)"')
_WHOLE_FLOAT = re.compile(r"\.0(?=[,\]}])")
_EXPONENT = re.compile(r"(?<=[:,\[])-?\d+(?:\.\d+)?e\+\d+(?=[,\]}])")

_SEPARATOR = "\0asset\n"
"""A text that separates the parts of a document. Real documents have no null characters."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_ENCODED_SEPARATOR = f",{_encode(_SEPARATOR)},"


def metadata_digests(
    document: Mapping[str, Any], assets: Mapping[str, Any]
) -> tuple[str | None, dict[str, str]]:
    """Return the digest of an item without assets and links, and the digests of assets by key.

    Args:
        document: The item's document, of any shape.
        assets: The assets to compute digests for.

    Returns:
        The digests, or None and no digests if the document cannot be encoded.
    """
    fields = {name: value for name, value in document.items() if name not in _EXCLUDED}
    extensions = document.get("stac_extensions")
    if isinstance(extensions, list):
        is_valid = all(isinstance(uri, str) for uri in extensions)
        fields["stac_extensions"] = sorted(extensions) if is_valid else extensions
    parts = [fields, *(part for asset in assets.values() for part in (_SEPARATOR, asset))]
    try:
        text = _encode(parts)  # One call for all parts, because a call has a high fixed cost.
    except (RecursionError, TypeError, ValueError):
        return None, {}
    first, *others = map(_digest, _canonical(text)[1:-1].split(_ENCODED_SEPARATOR))
    if len(others) != len(assets):
        return None, {}  # The document contains the separator.
    return first, dict(zip(assets, others, strict=True))


def _canonical(text: str) -> str:
    """Return JSON text with canonical times and numbers, and without signatures of hrefs."""
    text = _TIME.sub(lambda match: f'"{canonical_time(match[1])}"', text)
    text = _WHOLE_FLOAT.sub("", text)
    if "e+" in text:
        text = _EXPONENT.sub(lambda match: str(int(float(match[0]))), text)
    if "?" in text or "@" in text or "#" in text:
        text = _URL.sub(lambda match: f'"{unsigned_href(match[1])}"', text)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
