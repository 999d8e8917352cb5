"""Applies search criteria to items of static catalogs and item files, which have no search.

Search results of STAC APIs are checked too, because some servers ignore criteria, or lose them
after the first page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stac_asset.errors import ConfigError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, span_of, time_of
from stac_asset.mirror.source_item import key_of
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.stac.geometry import bbox_of, bounds_of, heights_of

_ALL_TIMES = Window()

_API_ONLY = ("intersects", "query", "filter", "q", "sortby")
"""Criteria that only STAC APIs support."""

NO_POSITION = (
    "Items without a valid bounding box or geometry are left out, because the search has an area"
)
"""The notice for items that have no position to compare with `search.bbox`."""


def check_static_criteria(criteria: Criteria, href: str) -> None:
    """Check that a search has no criteria that only STAC APIs support.

    Args:
        criteria: The search criteria.
        href: Href of the source.

    Raises:
        ConfigError: A criterion requires a STAC API.
    """
    for name in _API_ONLY:
        if getattr(criteria, name):
            raise ConfigError(
                f"`search.{name}` requires a STAC API, and '{redact_href(href)}' is not a STAC "
                "API. Leave the parameter out."
            )


def matches(document: Any, criteria: Criteria, window: Window) -> bool:
    """Return whether an item matches a search.

    Documents that are not items match, so that the run reports them. Items without a position match
    no area, and are reported with a notice.

    Args:
        document: The item's document, of any shape.
        criteria: The search criteria.
        window: Time window of the search.
    """
    key = key_of(document)
    if key is None:
        return True
    start, end = span_of(document)
    if not (criteria.matches_ids(*key) and window.touches(start, end)):
        return False
    bbox = bbox_of(document)
    if bbox is None and not criteria.covers(None):
        notice(NO_POSITION, f"item '{key.id}'")
        return False
    return criteria.covers(bbox) and _is_at_height(document, criteria)


def mismatch(document: Any, criteria: Criteria, window: Window) -> str | None:
    """Return the criterion that a search result does not match, if any.

    A server can judge more than this function. So a result is rejected only if the document
    clearly contradicts a criterion: items without datetime, or without bounding box and geometry,
    are accepted.

    Args:
        document: The document of a search result, of any shape.
        criteria: The search criteria.
        window: Time window of the search.
    """
    key = key_of(document)
    if key is None:
        return None
    if criteria.ids and key.id not in criteria.ids:
        return "ids"
    if criteria.collections and key.collection not in criteria.collections:
        return "collections" if key.collection is not None else None
    if window != _ALL_TIMES and not window.touches(*span_of(document)):
        # Some servers compare only `datetime`, and others only the start and the end.
        when = time_of(document)
        if when is None or not window.touches(when, when):
            return "datetime"
    if criteria.bbox is None and criteria.intersects is None:
        return None
    boxes = [box for box in (bbox_of(document), bounds_of(document.get("geometry"))) if box]
    if not _is_at_height(document, criteria):
        return "bbox"
    if not boxes or any(criteria.covers(box) for box in boxes):
        return None
    return "bbox" if criteria.bbox is not None else "intersects"


def _is_at_height(document: Mapping[str, Any], criteria: Criteria) -> bool:
    """Return whether an item is at the heights of `search.bbox`, if both have heights."""
    searched = heights_of(criteria.bbox)
    found = heights_of(document.get("bbox")) if searched is not None else None
    if searched is None or found is None:
        return True
    return searched[0] <= found[1] and found[0] <= searched[1]
