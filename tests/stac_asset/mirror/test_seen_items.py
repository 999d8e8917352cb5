"""Compact sets of the items that a run has seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stac_asset.mirror.seen_items import SeenItems
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.sources.compact_keys import CompactKeys
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.version import Version

KEYS = st.builds(Key, st.sampled_from([None, "a", "A", "b"]), st.sampled_from(["x", "X", "y", "é"]))


@given(stored=st.sets(KEYS), changed=st.sets(KEYS), seen=st.lists(KEYS))
def test_seen_items_are_a_set(stored: set[Key], changed: set[Key], seen: list[Key]) -> None:
    rows = Rows()
    for key in stored:
        row = IndexRow(key, (1, 2), "https://e.com", Version(None, None, {}))
        rows.read(row, row.to_line())
    rows.settle(0)
    for key in changed:
        rows[key] = IndexRow(key, (3, 4), "https://e.com", Version(None, None, {}))
    assert set(rows) == stored | changed
    assert len(rows) == len(stored | changed)
    items = SeenItems(rows)
    for key in seen:
        items.add(key)
    assert set(items) == set(seen)
    assert len(items) == len(set(seen))
    assert sorted(map(str, items.unseen())) == sorted(map(str, set(rows) - set(seen)))
    assert all((key in items) == (key in seen) for key in stored | changed | set(seen))


def test_compact_keys_are_a_set() -> None:
    keys = CompactKeys()
    wanted = [
        Key(collection, f"item-{number}") for collection in ("a", None) for number in range(2_000)
    ]
    assert all(map(keys.add, wanted))
    assert not any(map(keys.add, wanted))
    assert len(keys) == 4_000
