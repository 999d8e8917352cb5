"""Repeated items of item collections."""

from __future__ import annotations

import copy

import pystac

from stac_asset.notices import collect_notices
from stac_asset.stac.item_collections import unique_items
from stac_asset.stac.parse import item_of
from tests.support.strategies import DOCUMENTS


def item(**properties: object) -> pystac.Item:
    document = copy.deepcopy(DOCUMENTS["item"])
    document["properties"].update(properties)
    return item_of(document, None)


def test_repetitions_are_left_out_in_linear_time() -> None:
    first, other = item(), item(number=1)
    malformed = item(number=2)
    malformed.collection_id = ["c"]  # type: ignore[assignment] # as documents may have
    many = [item(number=number) for number in range(3, 2000)]
    with collect_notices() as notices:
        found = unique_items([first, other, first, item(), item(number=1), malformed, *many, *many])
    assert list(found) == [first, other, malformed, *many]
    assert notices.lines()
