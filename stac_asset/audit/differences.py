"""Differences between a mirror and the source, and the comparison of an item.

The functions are pure. `audit.comparison` reads the source and the files of the mirror.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.version import Version
from stac_asset.mirror.storage.interface import Stamp
from stac_asset.plan.reasons import Reason
from stac_asset.redact import shortened
from stac_asset.verify.repair import REPAIR_FAILED

_MAX_LENGTH = 40
"""Maximum length of a time in a reason, in characters."""


class Kind(StrEnum):
    """Kinds of differences between a mirror and the source."""

    MISSING = "missing"
    """The source has an item, an asset or a document that the mirror does not have."""

    EXTRA = "extra"
    """The mirror has an item or an asset that the source definitely does not have any more."""

    OUTDATED = "outdated"
    """The mirror has another version, or other metadata, of an item or an asset."""

    CORRUPT = "corrupt"
    """A file has another size, checksum or kind of content than recorded, or is unreadable."""

    INCONSISTENT = "inconsistent"
    """A file that no record of the mirror names, or a record without a document, of an item that
    the source does not have either."""


INCOMPLETE = (Kind.MISSING, Kind.OUTDATED, Kind.CORRUPT)
"""Kinds of differences by which a mirror is not complete."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between a mirror and the source."""

    kind: Kind
    """How the mirror differs."""

    reason: str
    """The observation, as a phrase."""

    key: Key | None = None
    """Collection and id of the item. Unset for files that belong to no item."""

    asset: str | None = None
    """Key of the asset. Unset if the whole item differs."""

    path: str | None = None
    """Path of the file or document, relative to the mirror, with slashes, if known."""

    @property
    def identity(self) -> tuple[Kind, Key | None, str | None, str | None]:
        """The values that identify a difference in two audits of a mirror."""
        return self.kind, self.key, self.asset, self.path if self.key is None else None

    def after_repair(self, error: str) -> Difference:
        """Return the difference with the error of a failed repair in the reason.

        Args:
            error: The message of the error.
        """
        return replace(self, reason=f"{self.reason}{REPAIR_FAILED}{error}")

    @property
    def subject(self) -> str:
        """The item, asset or file, for messages."""
        if self.key is None:
            return f"file '{self.path}'"
        item = f"item '{self.key.id}'"
        return f"asset '{self.asset}' of {item}" if self.asset is not None else item


RepairErrors: TypeAlias = Mapping[tuple[Key | None, str | None], str]
"""The messages of failed repairs, by item and asset. Without an asset: the first of the item."""

DifferenceRow: TypeAlias = dict[str, str | bool | None]
"""A row of the report. All values are JSON values."""


def difference_row(difference: Difference, repaired: bool = False) -> DifferenceRow:
    """Return the row of a difference in the report.

    Args:
        difference: The difference.
        repaired: Whether the audit repaired the difference.
    """
    key = difference.key
    return {
        "state": difference.kind.value,
        "collection": key.collection if key is not None else None,
        "item": key.id if key is not None else None,
        "asset": difference.asset,
        "path": difference.path,
        "reason": difference.reason,
        "repaired": repaired,
    }


DIFFERENCE_COLUMNS = ("difference", "item", "asset", "path", "reason")
"""The columns of `shown_differences`."""


def shown_differences(rows: Iterable[Mapping[str, object]]) -> Iterator[tuple[object, ...]]:
    """Return rows of the report as rows of a table in a notebook.

    Args:
        rows: Rows of the report.
    """
    return (
        tuple(row.get(name) for name in ("state", "item", "asset", "path", "reason"))
        for row in rows
    )


def file_differences(
    row: IndexRow, folder: str, stamps: Mapping[str, Stamp | None]
) -> Iterator[Difference]:
    """Yield the recorded files of an item that are missing, or have another size or content.

    Args:
        row: Row of the item.
        folder: Path of the folder of the item.
        stamps: Versions and sizes of the existing files, by asset key.
    """
    for asset in row.missing_files:
        name, size = row.files[asset]
        path, stamp = f"{folder}/{name}", stamps.get(asset)
        if stamp is None:
            reason = "the file is missing"
            yield Difference(Kind.MISSING, reason, row.key, asset, path)
            continue
        reason = "the file is empty, or a web page in place of the asset"
        if size not in (None, stamp[1]):
            reason = f"the file has {stamp[1]} bytes, and the mirror recorded {size}"
        yield Difference(Kind.CORRUPT, reason, row.key, asset, path)


def failed_differences(row: IndexRow, wants: Callable[[str], bool]) -> Iterator[Difference]:
    """Yield the wanted assets of an item with a failed last download.

    Args:
        row: Row of the item.
        wants: Returns whether the asset with a key is wanted.
    """
    for asset in filter(wants, row.failed):
        if asset not in row.files:
            yield Difference(Kind.MISSING, "the last download failed", row.key, asset)
        elif asset not in row.missing_files:
            reason = "the last download failed, and the mirror has the file of an earlier version"
            yield Difference(Kind.OUTDATED, reason, row.key, asset)


def version_differences(
    row: IndexRow,
    version: Version,
    reason: Reason,
    wants: Callable[[str], bool],
    without_file: Collection[str],
) -> Iterator[Difference]:
    """Yield the differences between the mirrored version of an item and that of the source.

    Assets whose download failed, or whose file is missing or corrupt, are left out.

    Args:
        row: Row of the item.
        version: Version of the item at the source.
        reason: Why a run of the mirror would download the item.
        wants: Returns whether the asset with a key is wanted.
        without_file: Wanted assets for which the mirrored document names no file.
    """
    key, mirrored = row.key, row.version
    item_reason = _item_reason(version, mirrored, reason)
    if row.removed:
        item_reason = "the item is marked as removed, and the source has the item"
    if item_reason is not None:
        yield Difference(Kind.OUTDATED, item_reason, key, None, row.document)
    known = {*row.failed, *row.missing_files}
    for asset in version.assets:
        if asset in known:
            continue
        if asset not in mirrored.assets:
            yield Difference(Kind.MISSING, "the mirror does not have the asset", key, asset)
        elif asset in without_file:
            text = "the document of the mirror names no file of the asset"
            yield Difference(Kind.MISSING, text, key, asset)
        elif not version.has_same_asset(asset, mirrored):
            text = "the href, size, checksum or `updated` of the asset differs"
            yield Difference(Kind.OUTDATED, text, key, asset)
        elif _differ(version.asset_metadata.get(asset), mirrored.asset_metadata.get(asset)):
            yield Difference(Kind.OUTDATED, "the metadata of the asset differs", key, asset)
    for asset in mirrored.assets.keys() - version.assets.keys():
        if wants(asset) and asset not in row.failed:
            text = "the source does not have the asset any more"
            yield Difference(Kind.EXTRA, text, key, asset)


def _item_reason(version: Version, mirrored: Version, reason: Reason) -> str | None:
    """Return how the item itself differs, if the item differs."""
    if not version.has_same_age(mirrored):
        if version.updated == mirrored.updated:
            return "the ETag of the item differs"
        ages = [shortened(str(age), _MAX_LENGTH) for age in (version.updated, mirrored.updated)]
        return f"`updated` is {ages[0]} at the source, and {ages[1]} in the mirror"
    is_unknown = reason is Reason.METADATA and mirrored.metadata is None
    if is_unknown or _differ(version.metadata, mirrored.metadata):
        return "the metadata of the item differs"
    return None


def _differ(digest: str | None, mirrored: str | None) -> bool:
    """Return whether two digests differ. Earlier releases recorded no digests of metadata."""
    return None not in (digest, mirrored) and digest != mirrored
