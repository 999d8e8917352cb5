"""The result of the flow `sync`, and the table of planned changes that a dry run writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from prefect.artifacts import TableArtifact

from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import Mirror
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.source_item import Key
from stac_asset.plan.reasons import Reason

PLAN = "stac-asset-plan"
"""The key of the artifact with the planned changes of a dry run."""

_MAX_ROWS = 1000
"""Maximum number of items in the table."""


class SyncResult(DownloadResult):
    """The result of a run of the flow `sync`, with the mirror's catalog as the document."""

    found: int
    """Number of items of the source that match the search."""

    new: int
    """Number of items that are new in the mirror."""

    changed: int
    """Number of items that changed in the source, or that the source has again after a removal."""

    again: int
    """Number of items that were retried because of earlier failures or missing files."""

    metadata_updated: int = 0
    """Number of items whose documents were updated without a download, because only their metadata
    changed in the source."""

    collections_updated: int = 0
    """Number of collections whose documents changed in the source. Always 0 in a dry run."""

    unchanged: int
    """Number of items that are complete in the mirror and unchanged in the source."""

    failed_items: int
    """Number of items that failed, and of documents of the source that cannot be read. The next run
    retries both."""

    left: int
    """Number of items left for the next run, because the limits of this run were reached."""

    removed: int
    """Number of items removed from the source. Always 0 with `on_removed='keep'`."""

    dry_run: bool
    """Whether the run was a dry run. The counts are then the planned changes."""

    def summary(self) -> str:
        """Return the counts as a phrase."""
        text = f"{self.found:,} items found: {self.new:,} new, {self.changed:,} changed"
        for count, name in (
            (self.metadata_updated, "with updated metadata"),
            (self.again, "retried"),
            (self.unchanged, "unchanged"),
            (self.left, "left for the next run"),
            (self.removed, "removed from the source"),
            (self.failed_items, "failed"),
        ):
            text += f", {count:,} {name}" if count else ""
        if self.collections_updated:
            plural = "s" if self.collections_updated > 1 else ""
            text += f", {self.collections_updated:,} collection{plural} updated"
        return f"{text}; dry run" if self.dry_run else f"{text}; {super().summary()}"


class Counts:
    """Counter of the items of a run, by the reason to download."""

    def __init__(self) -> None:
        self.failed = 0
        self._reasons: Counter[Reason] = Counter()

    def add(self, prepared: Prepared) -> None:
        """Count an item to download.

        Args:
            prepared: The item.
        """
        self._reasons[prepared.wanted.reason] += 1

    def result(
        self,
        base: DownloadResult,
        mirror: Mirror,
        limits: RunSizeLimits,
        dry_run: bool,
    ) -> SyncResult:
        """Return the result of the run.

        Args:
            base: The result with the counts of assets.
            mirror: The run of the mirror.
            limits: The limits of the run, with the number of items left for the next run.
            dry_run: Whether the run was a dry run.
        """
        reasons, changes = self._reasons, mirror.changes
        return SyncResult(
            **base.model_dump(),
            found=changes.found,
            new=reasons[Reason.NEW],
            changed=reasons[Reason.CHANGED] + reasons[Reason.RESTORED],
            again=reasons[Reason.RETRY] + reasons[Reason.FILES_MISSING],
            metadata_updated=len(mirror.metadata_updates),
            collections_updated=mirror.changed_collections,
            unchanged=changes.unchanged,
            failed_items=self.failed,
            left=limits.left,
            removed=len(mirror.removed),
            dry_run=dry_run,
        )


class SyncPlan:
    """The table of planned changes that a dry run writes."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []
        self._count = 0

    def add(self, prepared: Prepared) -> None:
        """Add an item that would be downloaded.

        Args:
            prepared: The item.
        """
        missing = prepared.missing
        sizes = [transfer.size for transfer in missing]
        self._add(prepared.wanted.key, prepared.wanted.reason.value, len(missing), sizes)

    def add_metadata_updates(self, keys: Iterable[Key]) -> None:
        """Add items whose documents would be updated without a download.

        Args:
            keys: The items.
        """
        for key in keys:
            self._add(key, Reason.METADATA.value, 0, [])

    def add_removed(self, keys: Iterable[Key], action: str) -> None:
        """Add items that were removed from the source.

        Args:
            keys: The items.
            action: The value of `on_removed`.
        """
        for key in keys:
            self._add(key, f"removed from the source: {action}", 0, [])

    async def write(self, summary: str) -> None:
        """Write the table as an artifact of the flow run.

        Args:
            summary: The summary of the dry run, as the description of the artifact.
        """
        count = len(self._rows)
        note = (
            f" The table has the first {count:,} of {self._count:,} items."
            if self._count > count
            else ""
        )
        rows = self._rows or [{"item": "", "reason": "no changes"}]
        artifact = TableArtifact(key=PLAN, description=f"{summary}.{note}", table=rows)
        await artifact.acreate()

    def _add(self, key: Key, reason: str, assets: int, sizes: Sequence[int | None]) -> None:
        self._count += 1
        if len(self._rows) < _MAX_ROWS:
            known = [size for size in sizes if size is not None]
            self._rows.append(
                {
                    "collection": key.collection or "",
                    "item": key.id,
                    "reason": reason,
                    "assets": assets,
                    "bytes": sum(known) if len(known) == assets else None,
                }
            )
