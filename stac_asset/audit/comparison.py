"""Finds the differences between a mirror and the source. Changes no file, and requests no asset.

`audit.confirmation` calls these functions, which join the planning of the mirror, over all items of
the selection, with the recorded files. In an object store, the listing at the start of the run
replaces a request for each file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from stac_asset.audit.differences import (
    Difference,
    Kind,
    failed_differences,
    file_differences,
    version_differences,
)
from stac_asset.audit.summary import AuditSummary
from stac_asset.mirror.changes import WantedItem, assets_without_file
from stac_asset.mirror.layout import (
    CATALOG,
    COLLECTION,
    collection_folder,
    document_path,
    item_folder,
)
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.unknown_files import unrecorded_files
from stac_asset.plan.reasons import Reason
from stac_asset.stac.json_text import loads


async def compare(mirror: MirrorUpdate) -> None:
    """Read the source and the records of the mirror.

    Args:
        mirror: A new run of the mirror.

    Raises:
        SourceError: The source cannot be read.
    """
    await mirror.find_changes(whole=True)
    await mirror.find_removed(marked=False)


def summary_of(mirror: MirrorUpdate) -> AuditSummary:
    """Return the summary of a comparison, without differences.

    Args:
        mirror: The run of the mirror, after `compare`.
    """
    changes = mirror.changes
    # Without items of the source, nothing was compared: the source or the search may be wrong.
    is_compared = changes.found > 0
    return AuditSummary(
        found=changes.found,
        mirrored=len(changes.state.rows),
        unchanged=changes.unchanged,
        undecided=mirror.undecided,
        is_source_complete=mirror.is_complete and not mirror.is_doubtful and is_compared,
        source_errors=[str(error) for error in mirror.errors],
    )


def differences_of(
    mirror: MirrorUpdate, storage: MirrorStorage, keep: Sequence[str] = ()
) -> Iterator[Difference]:
    """Yield all differences, each once. Blocks.

    Args:
        mirror: The run of the mirror, after `compare`.
        storage: The files of the mirror.
        keep: Paths of files that belong to no record, such as a report. Relative to the mirror.
    """
    return _Differences(mirror, storage, frozenset(keep)).all()


class _Differences:
    def __init__(self, mirror: MirrorUpdate, storage: MirrorStorage, keep: frozenset[str]) -> None:
        self._mirror = mirror
        self._storage = storage
        self._keep = keep
        self._changes = mirror.changes
        self._state = mirror.changes.state
        self._without_document: set[str] = set()
        """Folders of items that are reported as a whole, without the files."""

    def all(self) -> Iterator[Difference]:
        yield from self._documents()
        for key in self._state.rows.incomplete:
            yield from self._incomplete(self._state.rows[key])
        for wanted in (*self._changes.wanted, *self._changes.other_metadata):
            yield from self._changed(wanted)
        for key in self._mirror.removed:
            text = "the source does not have the item any more"
            yield Difference(Kind.EXTRA, text, key, None, document_path(key))
        yield from self._lost()
        yield from self._unrecorded()

    def _documents(self) -> Iterator[Difference]:
        """Yield the catalog and the collections of the mirror that are missing or unreadable."""
        rows = self._state.rows
        if not rows:
            return
        collections = {key.collection for key in rows if key.collection is not None}
        for path in (
            CATALOG,
            *(f"{collection_folder(name)}/{COLLECTION}" for name in sorted(collections)),
        ):
            if self._storage.stamp(path) is None:
                yield Difference(Kind.MISSING, "the document is missing", path=path)
            elif not _is_json(self._storage.read(path)):
                yield Difference(Kind.CORRUPT, "the document is not JSON", path=path)

    def _incomplete(self, row: IndexRow) -> Iterator[Difference]:
        """Yield the missing and corrupt files, and the failed assets, of an item.

        Failed assets belong to the comparison only if the search found the item.
        """
        folder = item_folder(row.key)
        stamps = {
            asset: self._storage.stamp(f"{folder}/{row.files[asset][0]}")
            for asset in row.missing_files
        }
        yield from file_differences(row, folder, stamps)
        if row.key in self._changes.seen:
            yield from failed_differences(row, self._wants(row))

    def _wants(self, row: IndexRow) -> Callable[[str], bool]:
        """Return the function that returns whether the asset with a key is wanted."""
        wanted = self._wanted.get(row.key) if row.failed else None
        if wanted is None:
            return self._changes.selection.may_select
        source = self._changes.document(wanted)
        return lambda asset: self._changes.wants(asset, source)

    @cached_property
    def _wanted(self) -> dict[Key, WantedItem]:
        """The items that a run of the mirror would download."""
        return {wanted.key: wanted for wanted in self._changes.wanted}

    def _changed(self, wanted: WantedItem) -> Iterator[Difference]:
        """Yield the differences of an item that a run of the mirror would update."""
        row = self._state.rows.get(wanted.key)
        if row is None:
            yield self._missing(wanted)
            return
        version = wanted.version
        if wanted.reason is Reason.METADATA and version.has_same_metadata(row.version):
            return  # The document of an earlier release has the same metadata.
        source = self._changes.document(wanted)
        without_file = assets_without_file(source, row, version)
        count = 0
        for difference in version_differences(
            row,
            version,
            wanted.reason,
            lambda asset: self._changes.wants(asset, source),
            without_file,
        ):
            count += 1
            yield difference
        is_explained = count or row.failed or row.missing_files
        if not is_explained:
            text = f"a run of the mirror would update the item ({wanted.reason.value})"
            yield Difference(Kind.OUTDATED, text, wanted.key, None, row.document)

    def _missing(self, wanted: WantedItem) -> Difference:
        """Return the difference of an item of the source without a document in the mirror."""
        key, path = wanted.key, document_path(wanted.key)
        self._without_document.add(item_folder(key))
        if self._storage.stamp(path) is not None:
            reason = "the document cannot be read, or was not written by a mirror"
            return Difference(Kind.CORRUPT, reason, key, None, path)
        started = self._state.started.get(key)
        reason = "the mirror does not have the item"
        if key in self._state.lost:
            reason = "the mirror has a record of the item, and the document is missing"
        elif started is not None:
            state = "failed" if started.failed else "did not end, or is in progress"
            reason = f"the download of the item {state}"
        return Difference(Kind.MISSING, reason, key)

    def _lost(self) -> Iterator[Difference]:
        """Yield the records without a document, of items that the comparison did not find."""
        for key in self._state.lost:
            if key in self._changes.seen or key in self._state.started:
                continue
            self._without_document.add(item_folder(key))
            text = "the mirror has a record of the item, and no document"
            yield Difference(Kind.INCONSISTENT, text, key, None, document_path(key))

    def _unrecorded(self) -> Iterator[Difference]:
        """Yield the files that no record names."""
        for path in unrecorded_files(self._storage, self._state):
            if path in self._keep or path.rpartition("/")[0] in self._without_document:
                continue
            yield Difference(Kind.INCONSISTENT, "no record of the mirror names the file", path=path)


def _is_json(data: bytes | None) -> bool:
    try:
        return data is not None and isinstance(loads(data), dict)
    except ValueError:
        return False
