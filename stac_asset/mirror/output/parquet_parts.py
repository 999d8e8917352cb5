"""Internal: the GeoParquet files of a large mirror, divided into parts.

Parts are divided as the shards of the index are, so that a run writes only the parts with changed
items. All parts have the same columns. An item that does not fit into these columns requires that
all parts are written again.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from stac_asset.errors import DestinationError
from stac_asset.mirror.layout import PARQUET, PARQUET_STATE, document_path
from stac_asset.mirror.output.column_types import with_texts
from stac_asset.mirror.output.parquet_items import UnifiedItems, item_documents
from stac_asset.mirror.output.parquet_record import ParquetRecord, part_path
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import part_of, place_of, shard_names, shard_of
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import MirrorStorage, Stamp

_PART = re.compile(r"[0-9a-f]{1,4}\.parquet")

_Documents = Callable[[Iterable[IndexRow]], Iterator[dict[str, Any]]]
"""Returns the documents of items in the form of the table."""


def write_all_parts(storage: MirrorStorage, rows: Rows, depth: int) -> ParquetRecord:
    """Write all parts, and return the new record.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.
        depth: Depth of the parts.

    Returns:
        The record. Empty, without written files, if no item has a position and a geometry.

    Raises:
        ValueError: The items do not fit into one table. Existing files are kept.
        DestinationError: A file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as folder:
        plain, unified = Path(folder, "plain"), Path(folder, "unified")
        tables, texts = plain, set[tuple[str, ...]]()
        try:
            has_items = _write_tables(rows, depth, partial(item_documents, storage), plain)
        except DestinationError:
            raise
        except Exception:  # The exceptions of stac-geoparquet are not documented.
            tables = unified
            try:
                items = UnifiedItems.of(storage, rows.values())
                texts = items.types.text_fields()
                has_items = _write_tables(rows, depth, items.documents, unified)
            except DestinationError:
                raise
            except Exception as error:
                raise ValueError(f"the items do not fit into one table: {error}") from error
        # A directory cannot have a file and a folder of the same name.
        if storage.stamp(PARQUET) is not None:
            storage.remove("", [PARQUET])
        # After a kill, parts could have different columns. All are written then.
        storage.remove_document(PARQUET_STATE)
        stamps = {
            name: storage.write(part_path(name), (tables / name).read_bytes())
            for name in (shard_names(depth) if has_items else ())
        }
        return ParquetRecord(parts=stamps, texts=frozenset(texts))


def write_changed_parts(
    storage: MirrorStorage, rows: Rows, record: ParquetRecord
) -> ParquetRecord | None:
    """Write the parts with changed items, and return the new record.

    The other items of a part are copied from the earlier file. The documents of all items are read
    for parts whose changes are not known. If an item has a new field, the column is added to all
    parts, without reading the documents of other items.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.
        record: The record of the parts before the run.

    Returns:
        The record, or None if items do not fit into the columns of the parts.

    Raises:
        DestinationError: A file cannot be written.
    """
    changed: defaultdict[str, set[Key]] = defaultdict(set)
    for key in rows.changed_keys:
        changed[shard_of(part_of(place_of(key)), record.depth)].add(key)
    unknown = record.outdated | {shard_of(part, record.depth) for part in rows.outdated.unclear}
    stamps: dict[str, Stamp] = dict(record.parts)
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as folder:
        for name in unknown:
            changed[name] = set(rows.keys_of_shard(name))
        try:
            before = _columns_of(storage, next(iter(record.parts)))
            columns = [before, *_write_changed(storage, rows, record, changed, Path(folder))]
            after = _united(columns)
            if not after.equals(before):
                # After a kill, parts could have different columns. All are written then.
                storage.remove_document(PARQUET_STATE)
            for name in sorted(changed) if after.equals(before) else record.parts:
                part = storage.read(part_path(name))
                if part is None or not _columns_in(part).equals(before):
                    return None
                is_unknown = name in unknown
                keys = None if is_unknown else changed.get(name, set())
                data = _changed_part(part, keys, Path(folder, name), after)
                stamps[name] = storage.write(part_path(name), data)
        except DestinationError:
            raise
        except Exception:  # The exceptions of stac-geoparquet are not documented.
            return None
    return dataclasses.replace(record, parts=stamps, outdated=frozenset())


def remove_parts(storage: MirrorStorage, keep: Collection[str] = ()) -> None:
    """Remove parts, and the folder if no part is left.

    Args:
        storage: The files of the mirror.
        keep: Names of the parts that are kept.

    Raises:
        DestinationError: A part cannot be removed.
    """
    existing = [name for name in storage.file_names(PARQUET) if _PART.fullmatch(name)]
    kept = {f"{name}.parquet" for name in keep}
    for name in existing:
        if name not in kept:
            storage.remove_document(f"{PARQUET}/{name}")
    if existing and not kept:
        storage.remove_empty_folders([PARQUET])


def is_part(path: str) -> bool:
    """Return whether a path can be that of a part.

    Args:
        path: Path of a file, relative to the mirror.
    """
    folder, _, name = path.rpartition("/")
    return folder == PARQUET and _PART.fullmatch(name) is not None


def _write_tables(rows: Rows, depth: int, documents: _Documents, folder: Path) -> bool:
    """Write a file with the common columns for each part, and return whether there are items.

    Args:
        rows: All items in the mirror.
        depth: Depth of the parts.
        documents: Returns the documents of items.
        folder: The new folder of the files, which have the names of the parts.
    """
    import pyarrow as pa
    from pyarrow.dataset import dataset
    from stac_geoparquet.arrow import to_parquet

    folder.mkdir()
    schema = None
    for name in shard_names(depth):
        keys = sorted(rows.keys_of_shard(name), key=document_path)
        found = _write_table(documents(rows[key] for key in keys), folder / f"{name}.own")
        if found is not None:
            schemas = [schema, found] if schema is not None else [found]
            schema = pa.unify_schemas(schemas, promote_options="permissive")
    if schema is None:
        return False
    for name in shard_names(depth):
        own = folder / f"{name}.own"
        table = schema.empty_table()
        if own.exists():
            table = dataset(own, schema=schema, format="parquet").to_table()
            own.unlink()
        to_parquet(table, folder / name)
    return True


def _write_table(items: Iterator[dict[str, Any]], path: Path) -> Any:
    """Write a file unless there are no items, and return the columns of the file."""
    import pyarrow.parquet as pq
    from stac_geoparquet.arrow import parse_stac_items_to_arrow, to_parquet

    first = next(items, None)
    if first is None:
        return None
    # With any other schema, the library reads the memory use of the process more often, for a log.
    to_parquet(parse_stac_items_to_arrow(chain([first], items), schema="FullFile"), path)
    return pq.read_schema(path).remove_metadata()


def _write_changed(
    storage: MirrorStorage,
    rows: Rows,
    record: ParquetRecord,
    changed: Mapping[str, Set[Key]],
    folder: Path,
) -> list[Any]:
    """Write a file with the new and changed items of each part, and return the columns."""
    found = []
    for name, keys in changed.items():
        existing = [rows[key] for key in sorted(keys, key=document_path) if key in rows]
        items = with_texts(item_documents(storage, existing), record.texts)
        columns = _write_table(items, folder / name)
        if columns is not None:
            found.append(columns)
    return found


def _columns_of(storage: MirrorStorage, name: str) -> Any:
    """Return the columns of a part. A missing part has none."""
    import pyarrow as pa

    part = storage.read(part_path(name))
    return _columns_in(part) if part is not None else pa.schema([])


def _columns_in(part: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_schema(pa.BufferReader(part)).remove_metadata()


def _united(columns: list[Any]) -> Any:
    """Return columns for all items of tables. Tables whose columns contradict raise an error."""
    import pyarrow as pa

    return pa.unify_schemas(columns, promote_options="permissive")


def _changed_part(part: bytes, changed: Set[Key] | None, new: Path, columns: Any) -> bytes:
    """Return the new content of a part.

    Args:
        part: The content before the run.
        changed: The items that are not copied. None stands for all items.
        new: File with the new and changed items, if any.
        columns: The columns of all parts.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow.dataset import dataset
    from stac_geoparquet.arrow import to_parquet

    table = pq.ParquetFile(pa.BufferReader(part)).read()
    has_columns = table.schema.remove_metadata().equals(columns)
    old = new.with_suffix(".old")
    if not has_columns:
        old.write_bytes(part)
        table = dataset(old, schema=columns, format="parquet").to_table()
    kept = table.slice(0, 0) if changed is None else table.filter(_unchanged(table, changed))
    if new.exists() and has_columns:
        items = pq.ParquetFile(new).read().to_pydict()
        kept = pa.concat_tables([kept, pa.Table.from_pydict(items, schema=table.schema)])
    elif new.exists():
        items = dataset(new, schema=columns, format="parquet").to_table()
        kept = pa.concat_tables([kept, items])
    if not has_columns:
        to_parquet(kept, old)
        return old.read_bytes()
    sink = pa.BufferOutputStream()
    pq.write_table(kept, sink)
    return bytes(sink.getvalue())


def _unchanged(table: Any, changed: Set[Key]) -> Any:
    """Return a column of booleans: whether the item of each row is unchanged."""
    import pyarrow as pa

    ids = table["id"].to_pylist()
    has_collections = "collection" in table.column_names
    collections = table["collection"].to_pylist() if has_collections else [None] * len(ids)
    keys = (Key(*key) for key in zip(collections, ids, strict=True))
    return pa.array([key not in changed for key in keys], pa.bool_())
