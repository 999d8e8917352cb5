"""Finds and writes changes of metadata for items with complete, unchanged files.

`mirror.run` calls these functions. Functions that read or write files block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from stac_asset.config import Config
from stac_asset.errors import SourceError
from stac_asset.mirror.changes import ChangeSet, WantedItem
from stac_asset.mirror.output.metadata import updated_document, write_metadata
from stac_asset.mirror.planning import Prepared, prepare
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice


class MetadataUpdates:
    """The items of a run whose documents are rewritten without a download.

    Args:
        storage: The files of the mirror.
        changes: Differences between source and mirror. Rows of the mirror are changed.
        config: The configuration of the downloads.
        source: The href of the mirror's source, unsigned.
    """

    def __init__(
        self, storage: MirrorStorage, changes: ChangeSet, config: Config, source: str
    ) -> None:
        self.items: list[WantedItem] = []
        """Items with changed metadata, after `find`."""
        self.rows_changed = False
        """Whether the rows of items changed, so that the index must be written."""
        self._storage = storage
        self._changes = changes
        self._config = config
        self._source = source

    def find(self) -> None:
        """Compare the documents of items that differ from the recorded metadata.

        Earlier releases did not record the metadata. If the mirrored document has the same content,
        only the version in the item's row changes.
        """
        rows = self._changes.state.rows
        for prepared, document in self._documents(self._changes.other_metadata):
            wanted = prepared.wanted
            if document is not None:
                self.items.append(wanted)
                continue
            row = rows[wanted.key]
            version = wanted.version.merged_into(row.version, row.files)
            rows[wanted.key] = dataclasses.replace(row, version=version)
            self._changes.unchanged += 1
            self.rows_changed = True

    def write(self) -> None:
        """Write the documents of the items that `find` found.

        Raises:
            DestinationError: A document cannot be written.
        """
        for prepared, document in self._documents(self.items):
            if document is not None:
                rows, key = self._changes.state.rows, prepared.wanted.key
                row = write_metadata(document, prepared, self._storage)
                rows[key] = dataclasses.replace(row, checked=rows[key].checked)
                self.rows_changed = True

    def _documents(
        self, items: list[WantedItem]
    ) -> Iterator[tuple[Prepared, dict[str, Any] | None]]:
        """Yield items, and the new document of each, or None if the content does not change.

        Items with an invalid new document are not yielded.
        """
        rows = self._changes.state.rows
        for prepared in prepare(self._changes, items, self._storage, self._config, rows):
            key = prepared.wanted.key
            try:
                if prepared.document is None:
                    raise SourceError(str(next(iter(prepared.errors))))
                row = rows[key]
                document = updated_document(
                    prepared, row, self._config, self._storage, self._source
                )
            except SourceError as error:
                notice("Items keep their earlier metadata", f"item '{key.id}': {error}")
                continue
            yield prepared, document
