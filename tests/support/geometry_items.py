"""Items with a given geometry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pystac

SQUARE = [(10.0, 50.0), (11.0, 50.0), (11.0, 51.0), (10.0, 51.0), (10.0, 50.0)]


def pystac_item(geometry: Any, bbox: Any = None) -> pystac.Item:
    """Return an item with this geometry and bbox, valid or not."""
    return pystac.Item("an-item", geometry, bbox, datetime(2026, 6, 1), {})
