"""Internal: reading of the catalog and the collections that a mirror wrote."""

from __future__ import annotations

from typing import Any

from stac_asset.mirror.layout import SOURCE
from stac_asset.stac.json_text import loads


def parsed_document(data: bytes | None, kind: str) -> dict[str, Any] | None:
    """Return a catalog or collection of a mirror, or None if the data has no such document.

    Args:
        data: The document, or None if there is no document that can be read.
        kind: `Catalog` or `Collection`.
    """
    try:
        document = loads(data, f"{kind} of the mirror") if data is not None else None
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("type") != kind:
        return None
    return document if isinstance(document.get("id"), str) else None


def is_mirror_catalog(data: bytes | None) -> bool:
    """Return whether a mirror wrote a catalog.

    Args:
        data: The catalog, or None if there is no catalog that can be read.
    """
    return SOURCE in (parsed_document(data, "Catalog") or {})
