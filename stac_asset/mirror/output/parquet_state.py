"""Decides whether a run writes the GeoParquet files of a mirror, and records the decision.

`mirror.run` calls these functions. `parquet_record` describes the record, which changes before the
items change. So a killed run leaves no wrong record.
"""

from __future__ import annotations

from stac_asset.mirror.layout import PARQUET, PARQUET_STATE
from stac_asset.mirror.output.parquet import has_geoparquet, write_parquet
from stac_asset.mirror.output.parquet_record import (
    ParquetRecord,
    read_record,
    record_outdated,
    record_whole,
)
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice


class ParquetState:
    """The state of the GeoParquet files during a run. The methods block.

    Args:
        storage: The files of the mirror.
    """

    def __init__(self, storage: MirrorStorage) -> None:
        self._storage = storage
        self._record = ParquetRecord()
        """The record before the run, after `read`."""

    def read(self) -> None:
        """Read before a run which files have all items of the mirror.

        Raises:
            DestinationError: A request to an object store failed.
        """
        self._record = read_record(self._storage)

    def record_outdated(self, rows: Rows) -> None:
        """Record that files can be outdated, before the items of the mirror change.

        Args:
            rows: All items in the mirror, with the changes.

        Raises:
            DestinationError: The record cannot be changed.
        """
        record_outdated(self._storage, self._record, rows)

    def update(self, rows: Rows) -> None:
        """Write outdated files, if the extra `geoparquet` is installed.

        If the items do not fit into one table, a notice is added and existing files are kept.

        Args:
            rows: All items in the mirror.

        Raises:
            DestinationError: A file or the record cannot be written.
        """
        if not has_geoparquet():
            return
        if rows.has_changes or not self._record.is_current:
            try:
                write_parquet(self._storage, rows, self._record)
            except ValueError as error:
                notice(f"{PARQUET} is not up to date", str(error))
        elif not self._storage.is_listed(PARQUET_STATE):
            record_whole(self._storage)
