"""Where and when an item is, as far as its document says it in a way that can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stac_asset.mirror.search.window import moment


def bbox_of(document: Mapping[str, Any]) -> list[float] | None:
    """Returns the bounding box of an item, if it has one.

    Args:
        document: Its document.
    """
    bbox = document.get("bbox")
    if not isinstance(bbox, list) or len(bbox) not in (4, 6):
        return None
    return bbox if all(map(_is_number, bbox)) else None


def span_of(document: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Returns the first and the last moment of an item, as far as it says.

    Args:
        document: Its document.
    """
    properties = document.get("properties")
    said = properties if isinstance(properties, dict) else {}
    when = moment(said.get("datetime"))
    return moment(said.get("start_datetime")) or when, moment(said.get("end_datetime")) or when


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # An integer of very many digits.
        return False
