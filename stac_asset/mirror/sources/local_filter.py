"""Applies search criteria to items of static catalogs and item files, which have no search."""

from __future__ import annotations

from typing import Any

from stac_asset.errors import ConfigError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, span_of
from stac_asset.mirror.source_item import SourceDocument
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.stac.geometry import bbox_of

_API_ONLY = ("intersects", "query", "filter", "sortby")
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
    key = SourceDocument(document, "").key
    if key is None:
        return True
    start, end = span_of(document)
    if not (criteria.matches_ids(*key) and window.touches(start, end)):
        return False
    bbox = bbox_of(document)
    if bbox is None and not criteria.covers(None):
        notice(NO_POSITION, f"item '{key.id}'")
        return False
    return criteria.covers(bbox)
