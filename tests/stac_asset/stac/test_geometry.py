"""Bounding boxes of items."""

from __future__ import annotations

import pytest

from stac_asset.stac.geometry import bbox_of


@pytest.mark.parametrize("value", [10**400, float("nan"), "10", None])
def test_bbox_with_invalid_number_is_ignored(value: object) -> None:
    assert bbox_of({"bbox": [0, 0, value, 0]}) is None
    assert bbox_of({"bbox": [0, 0, 10, 0]}) == [0, 0, 10, 0]
