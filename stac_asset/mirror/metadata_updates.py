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
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow
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
        prepared_items = self._prepared(self._changes.other_metadata)
        for found in self._storage.map(self._document, prepared_items):
            if found is None:
                continue
            prepared, document = found
            wanted = prepared.wanted
            if document is not None:
                self.items.append(wanted)
                continue
            row = rows[wanted.key]
            version = wanted.version.merged_into(row.version, row.files)
            digest = wanted.digest_for(version)
            rows[wanted.key] = dataclasses.replace(row, version=version, source_digest=digest)
            self._changes.unchanged += 1
            self.rows_changed = True

    def write(self) -> None:
        """Write the documents of the items that `find` found.

        Raises:
            DestinationError: A document cannot be written.
        """
        rows = self._changes.state.rows
        for key, row in self._storage.map(self._written, self._prepared(self.items)):
            if row is not None:
                rows[key] = dataclasses.replace(row, checked=rows[key].checked)
                self.rows_changed = True

    def _prepared(self, items: list[WantedItem]) -> Iterator[Prepared]:
        return prepare(self._changes, items, self._storage, self._config)

    def _document(self, prepared: Prepared) -> tuple[Prepared, dict[str, Any] | None] | None:
        """Return an item and the new document, or None if the new document is not valid.

        Without a document, the content does not change.
        """
        key = prepared.wanted.key
        try:
            if prepared.document is None:
                raise SourceError(str(next(iter(prepared.errors))))
            row = self._changes.state.rows[key]
            document = updated_document(prepared, row, self._config, self._storage, self._source)
        except SourceError as error:
            notice("Items keep their earlier metadata", f"item '{key.id}': {error}")
            return None
        return prepared, document

    def _written(self, prepared: Prepared) -> tuple[Key, IndexRow | None]:
        """Write the new document of an item, and return the new row, if any."""
        found = self._document(prepared)
        document = found[1] if found is not None else None
        row = None
        if document is not None:
            row = write_metadata(document, prepared, self._storage)
        return prepared.wanted.key, row
