"""Decides whether a run writes the GeoParquet file of a mirror, and records the decision.

`mirror.run` calls these functions. The record has the stamp of a file with all items of the mirror.
The record is removed before the items change, so that a killed run leaves no wrong record.
"""

from __future__ import annotations

from stac_asset.mirror.output.parquet import has_geoparquet, write_parquet
from stac_asset.mirror.state.layout import INDEX, PARQUET, PARQUET_STATE
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


class ParquetState:
    """The state of the GeoParquet file during a run. The methods block.

    Args:
        storage: The files of the mirror.
    """

    def __init__(self, storage: MirrorStorage) -> None:
        self._storage = storage
        self._is_current = False
        """Whether the file had all items of the mirror before the run, after `read`."""

    def read(self) -> None:
        """Read before a run whether the file has all items of the mirror.

        Raises:
            DestinationError: A request to an object store failed.
        """
        self._is_current = has_geoparquet() and _is_current(self._storage)

    def record_outdated(self) -> None:
        """Record that the file can be outdated, before the items of the mirror change.

        Raises:
            DestinationError: The record cannot be removed.
        """
        self._storage.remove_document(PARQUET_STATE)

    def update(self, rows: Rows) -> None:
        """Write an outdated file, if the extra `geoparquet` is installed.

        If the items do not fit into one table, a notice is added and an existing file is kept.

        Args:
            rows: All items in the mirror.

        Raises:
            DestinationError: The file or the record cannot be written.
        """
        if not has_geoparquet():
            return
        if rows.has_changes or not self._is_current:
            try:
                write_parquet(self._storage, rows.values())
            except ValueError as error:
                notice(f"{PARQUET} is not up to date", str(error))
                return
            self._record_current()
        elif not self._storage.is_listed(PARQUET_STATE):
            self._record_current()

    def _record_current(self) -> None:
        """Record that the file has all items."""
        data = json_bytes({"stamp": self._storage.stamp(PARQUET)}, indent=None)
        if self._storage.read(PARQUET_STATE) != data:
            self._storage.write(PARQUET_STATE, data)


def _is_current(storage: MirrorStorage) -> bool:
    """Return whether the file has all items of the mirror.

    Earlier releases had no record. Their index is older than a file with all items.
    """
    data = storage.read(PARQUET_STATE)
    if data is None:
        return storage.is_listed(INDEX) and storage.is_newer(PARQUET, INDEX)
    try:
        recorded = loads(data)
    except ValueError:
        return False
    stamp = storage.stamp(PARQUET)
    return isinstance(recorded, dict) and recorded.get("stamp") == (
        list(stamp) if stamp is not None else None
    )
