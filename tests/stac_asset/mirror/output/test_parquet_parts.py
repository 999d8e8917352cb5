"""The folder `items.parquet` of a mirror with many items."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.dataset
import pytest

from stac_asset.mirror.layout import document_path
from stac_asset.mirror.output.item_documents import write_row
from stac_asset.mirror.output.parquet import write_parquet
from stac_asset.mirror.output.parquet_record import part_path, read_record, record_outdated
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.state.index_files import write_index
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import Stamp
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.mirror.unknown_files import unknown_files
from stac_asset.notices import collect_notices
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.support.large_mirrors import file_versions, shard_of_item, write_large_mirror
from tests.support.recorded_storage import RecordedStorage

LIMITS = 4, 1
"""Items of a single file, and mean number of items of a part."""

ONE, TWO = "item-000001", "item-000002"
LATER = "2027-01-01T00:00:00.000000Z"


class Parts:
    """A mirror with GeoParquet files for parts of the items."""

    def __init__(self, directory: Path) -> None:
        self.storage, self.folder = LocalStorage(directory), directory / "items.parquet"
        self.rows = self.read()

    def read(self) -> Rows:
        """Read the rows of the mirror, as a run does."""
        self.rows = read_state(self.storage).rows
        return self.rows

    def write(self) -> None:
        """Write the GeoParquet files, and the index after changes."""
        record = read_record(self.storage)
        write_parquet(self.storage, self.rows, record, *LIMITS)
        write_index(self.storage, self.rows)
        self.read()

    def change(self, name: str, **properties: Any) -> None:
        """Change the document of an item, or add an item."""
        path = self.storage.directory / document_path(Key("things", name))
        source = path if path.exists() else path.parents[1] / f"{ONE}/{ONE}.json"
        document = json.loads(source.read_bytes()) | {"id": name}
        document["properties"] |= properties
        row = write_row(document, Key("things", name), self.storage)
        self.rows[row.key] = dataclasses.replace(row, checked=True)

    def items(self) -> dict[str, dict[str, Any]]:
        """Return the items of all parts, and check the part of each item."""
        found = {}
        for path in sorted(self.folder.iterdir()):
            for item in read_items(path, path.name):
                assert shard_of_item(item["id"]).split(".")[0] == path.stem
                found[item["id"]] = item
        return found

    def time_of(self, name: str) -> str:
        """Return the time of an item in the parts."""
        time: str = self.items()[name]["properties"]["datetime"]
        return time

    def versions(self) -> dict[str, int]:
        """Return the modification times of the parts by name."""
        return {name.split(".")[0]: when for name, when in file_versions(self.folder).items()}


def part_of_item(name: str) -> str:
    return shard_of_item(name).split(".")[0]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a mirror of 12 items in 16 parts, some of which are empty."""
    directory = tmp_path_factory.mktemp("template")
    with Origin() as origin:
        write_large_mirror(directory, origin, 12, with_index=True)
    Parts(directory).write()
    return directory


@pytest.fixture
def parts(template: Path, tmp_path: Path) -> Parts:
    """Return a copy of the mirror."""
    shutil.copytree(template, tmp_path / "mirror")
    return Parts(tmp_path / "mirror")


def test_large_mirror_has_parts_that_tools_read_as_one_table(parts: Parts) -> None:
    names = {f"item-{number:06}" for number in range(12)}
    assert parts.items().keys() == names
    assert len(parts.versions()) == 16
    assert set(geopandas.read_parquet(parts.folder)["id"]) == names
    table = pyarrow.dataset.dataset(parts.folder).to_table()
    assert table.num_rows == 12
    assert unknown_files(parts.storage.directory) == []
    before = parts.versions()
    assert read_record(parts.storage).is_current
    parts.write()
    assert parts.versions() == before


def test_only_parts_of_changed_items_are_written(parts: Parts) -> None:
    before = parts.versions()
    parts.change(ONE, datetime=LATER)
    parts.change("item-new")
    del parts.rows[Key("things", TWO)]
    parts.write()
    after = parts.versions()
    written = {name for name in after if after[name] != before[name]}
    assert written == {part_of_item(name) for name in (ONE, TWO, "item-new")}
    items = parts.items()
    assert (TWO in items, "item-new" in items, len(items)) == (False, True, 12)
    assert parts.time_of(ONE) == LATER


def test_field_without_a_column_is_added_to_all_parts_without_reading_documents(
    parts: Parts,
) -> None:
    before = parts.versions()
    parts.change(ONE, note={"deep": 1})
    parts.storage = recorded = RecordedStorage(parts.folder.parent)
    parts.write()
    documents = {path for path in recorded.read_paths if path.startswith("things/")}
    assert documents == {document_path(Key("things", ONE))}
    after = parts.versions()
    assert all(after[name] != before[name] for name in before)
    assert parts.items()[ONE]["properties"]["note"] == {"deep": 1}
    schemas = {
        str(pyarrow.dataset.dataset(path).schema.remove_metadata())
        for path in parts.folder.iterdir()
    }
    assert len(schemas) == 1
    # A further value of the same type fits.
    parts.change(TWO, note={"deep": 2})
    parts.write()
    last = parts.versions()
    assert {name for name in last if last[name] != after[name]} == {part_of_item(TWO)}
    assert parts.items()[TWO]["properties"]["note"] == {"deep": 2}


def test_kill_between_parts_with_a_new_column_causes_all_parts_to_be_written(
    parts: Parts,
) -> None:
    class KilledStorage(LocalStorage):
        def write(self, path: str, data: bytes) -> Stamp:
            if path == part_path(sorted(before)[5]):
                raise KeyboardInterrupt
            return super().write(path, data)

    before, storage = parts.versions(), parts.storage
    parts.change(ONE, note="new")
    parts.storage = KilledStorage(storage.directory)
    with pytest.raises(KeyboardInterrupt):
        parts.write()
    parts.storage = storage
    write_index(storage, parts.rows)
    parts.read()
    assert not read_record(storage).is_current
    parts.write()
    assert len(parts.items()) == 12
    schemas = [pyarrow.dataset.dataset(path).schema for path in parts.folder.iterdir()]
    assert all("note" in schema.names for schema in schemas)
    assert len(schemas) == len(before)


def test_field_with_several_types_in_different_parts_is_json_text(parts: Parts) -> None:
    assert part_of_item(ONE) != part_of_item(TWO)
    with collect_notices() as notices:
        parts.change(ONE, odd=1)
        parts.change(TWO, odd="x")
        parts.write()
    items = parts.items()
    assert [items[name]["properties"]["odd"] for name in (ONE, TWO)] == ["1", '"x"']
    assert len(items) == 12
    before = parts.versions()
    parts.change(ONE, odd="y")
    parts.write()
    assert parts.items()[ONE]["properties"]["odd"] == '"y"'
    after = parts.versions()
    assert {name for name in after if after[name] != before[name]} == {part_of_item(ONE)}
    assert any("properties.odd" in line for line in notices.lines())


def test_parts_of_a_killed_run_are_written_by_the_next_run(parts: Parts) -> None:
    before = parts.versions()
    parts.change(ONE, datetime=LATER)
    record_outdated(parts.storage, read_record(parts.storage), parts.rows)
    write_index(parts.storage, parts.rows)
    # The run was killed before it wrote the part.
    parts.read()
    record = read_record(parts.storage)
    assert (parts.rows.has_changes, record.is_current) == (False, False)
    assert record.outdated == {part_of_item(ONE)}
    parts.write()
    after = parts.versions()
    assert {name for name in after if after[name] != before[name]} == {part_of_item(ONE)}
    assert parts.time_of(ONE) == LATER
    assert read_record(parts.storage).is_current


def test_part_of_a_document_that_changed_without_a_run_is_written(parts: Parts) -> None:
    path = parts.storage.directory / document_path(Key("things", ONE))
    document = json.loads(path.read_bytes())
    document["properties"]["datetime"] = LATER
    path.write_text(json.dumps(document))
    (parts.storage.directory / document_path(Key("things", TWO))).unlink()
    parts.read()
    parts.write()
    items = parts.items()
    assert parts.time_of(ONE) == LATER
    assert (TWO in items, len(items)) == (False, 11)


@pytest.mark.parametrize("content", [b"", b"no parquet"])
def test_damaged_or_lost_part_is_written_again(parts: Parts, content: bytes) -> None:
    damaged = parts.folder / f"{part_of_item(ONE)}.parquet"
    if content:
        damaged.write_bytes(content)
    else:
        damaged.unlink()
    assert not read_record(parts.storage).is_current
    parts.write()
    assert len(parts.items()) == 12


@pytest.mark.parametrize(
    "record",
    [
        {"parts": {}},
        {"parts": {"0": 1}, "outdated": []},
        {"parts": {"0" * 40: [1, 1]}, "outdated": []},
        {"parts": [1], "outdated": [[]]},
        {"parts": {f"{digit:x}": [1, 1] for digit in range(16)}, "outdated": [], "texts": [1]},
    ],
)
def test_invalid_record_is_ignored(parts: Parts, record: object) -> None:
    (parts.storage.directory / ".mirror/parquet.json").write_text(json.dumps(record))
    found = read_record(parts.storage)
    assert (found.is_current, found.depth) == (False, 0)


def test_mirror_that_shrinks_and_grows_has_one_file_and_then_parts(parts: Parts) -> None:
    for number in range(2, 12):
        del parts.rows[Key("things", f"item-{number:06}")]
    record = read_record(parts.storage)
    write_parquet(parts.storage, parts.rows, record, *LIMITS)
    assert {item["id"] for item in read_items(parts.folder, "items.parquet")} == {
        "item-000000",
        ONE,
    }
    assert read_record(parts.storage).is_current
    for number in range(2, 9):
        parts.change(f"item-{number:06}")
    write_parquet(parts.storage, parts.rows, read_record(parts.storage), *LIMITS)
    assert len(parts.items()) == 9


def test_items_without_a_geometry_are_in_no_part(parts: Parts) -> None:
    for number in range(12):
        path = parts.storage.directory / document_path(Key("things", f"item-{number:06}"))
        document = json.loads(path.read_bytes()) | {"geometry": None}
        path.write_text(json.dumps(document))
    (parts.storage.directory / ".mirror/parquet.json").unlink()
    parts.read()
    parts.write()
    assert not parts.folder.exists()
    assert read_record(parts.storage).is_current
