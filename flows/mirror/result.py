"""The result of the flow `sync`."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from prefect_stac_asset.flows.mirror.completeness import incomplete_reasons
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import Mirror
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.plan.reasons import Reason


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
    """Number of items left for the next run, because a limit or a budget was reached."""

    removed: int
    """Number of items removed from the source. Always 0 with `on_removed='keep'`."""

    complete: bool = False
    """Whether the mirror has all items of the source that match the search, with all assets."""

    incomplete: list[str] = Field(default_factory=list)
    """The reasons why the mirror is not complete, one phrase each."""

    dry_run: bool = False
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

    def leave(self, prepared: Prepared) -> None:
        """Do not count an item that is left for the next run.

        Args:
            prepared: The item.
        """
        self._reasons[prepared.wanted.reason] -= 1

    def result(
        self,
        base: DownloadResult,
        mirror: Mirror,
        limits: RunSizeLimits,
    ) -> SyncResult:
        """Return the result of the run.

        Args:
            base: The result with the counts of assets.
            mirror: The run of the mirror.
            limits: The limits of the run, with the number of items left for the next run.
        """
        reasons, changes = self._reasons, mirror.changes
        phrases = incomplete_reasons(
            is_search_complete=mirror.is_complete,
            failed=self.failed,
            left=limits.left,
            too_large=limits.too_large,
            left_by_budget=base.left_by_budget,
            without_id=changes.without_id,
            planned=reasons.total() if base.dry_run else 0,
        )
        incomplete = list(phrases)
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
            complete=not incomplete,
            incomplete=incomplete,
        )
