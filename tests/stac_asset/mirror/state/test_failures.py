"""The number of runs in a row in which items of a mirror failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.mirror.layout import FAILURES
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state import failures
from stac_asset.mirror.state.failures import failed_runs, read_failures, write_failures
from stac_asset.mirror.storage.local import LocalStorage

ONE, TWO, THREE = Key("c", "one"), Key(None, "two"), Key("c", "three")


def test_number_grows_for_failed_items_and_ends_for_completed_items() -> None:
    first = failed_runs({}, {ONE, TWO}, {THREE})
    assert first == {ONE: 1, TWO: 1}
    assert failed_runs(first, {ONE}, {TWO}) == {ONE: 2}
    assert failed_runs(first, {ONE}, ()) == {ONE: 2, TWO: 1}, "a run can leave an item out"
    assert failed_runs({ONE: 4}, (), {ONE}) == {}


def test_number_of_recorded_items_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_MAX_ITEMS", 2)
    assert failed_runs({ONE: 1, TWO: 3}, {TWO, THREE}, ()).keys() == {TWO, ONE}


def test_numbers_are_stored_and_the_empty_file_is_removed(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert read_failures(storage) == {}
    write_failures(storage, {ONE: 2, TWO: 1})
    assert read_failures(storage) == {ONE: 2, TWO: 1}
    write_failures(storage, {})
    assert not (tmp_path / FAILURES).exists()
    write_failures(storage, {})


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_invalid_rows_are_ignored(tmp_path_factory: pytest.TempPathFactory, rows: object) -> None:
    path = tmp_path_factory.mktemp("mirror")
    (path / ".mirror").mkdir()
    (path / FAILURES).write_text(json.dumps({"items": rows}))
    assert all(number > 0 for number in read_failures(LocalStorage(path)).values())
    (path / FAILURES).write_text(json.dumps(rows))
    assert read_failures(LocalStorage(path)) == {}
