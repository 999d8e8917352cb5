"""TODO."""

from __future__ import annotations

from typing import Any

from stac_asset.errors import ConfigError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.extent import bbox_of, span_of
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Found
from stac_asset.redact import redact_href

_OF_APIS = ("intersects", "query", "filter", "sortby")


def check_listed(criteria: Criteria, href: str) -> None:
    """Checks that a search asks for nothing that only an API can tell.

    Args:
        criteria: What will be searched for.
        href: The source.

    Raises:
        ConfigError: It does.
    """
    for name in _OF_APIS:
        if getattr(criteria, name):
            raise ConfigError(
                f"search.{name} needs a STAC API, which '{redact_href(href)}' is not: leave it out"
            )


def is_found(document: Any, criteria: Criteria, window: Window) -> bool:
    """Returns whether an item is one of those that are searched for.

    Args:
        document: Its document, of any shape: what is no item is, so that it is heard of.
        criteria: What is searched for.
        window: Its span of time.
    """
    key = Found(document, "").key
    if key is None:
        return True
    start, end = span_of(document)
    bbox = bbox_of(document)
    return criteria.is_about(*key) and criteria.covers(bbox) and window.touches(start, end)
