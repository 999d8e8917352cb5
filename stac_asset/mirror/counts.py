"""Internal: the counts of a run of a mirror, for the library, the command line and the flow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from stac_asset.mirror.completeness import incomplete_reasons
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.plan.reasons import Reason


@dataclass(frozen=True, slots=True)
class MirrorCounts:
    """The number of items of a run, by the action of the run."""

    found: int
    """Number of items of the source that match the search."""

    new: int
    """Number of items that are new in the mirror."""

    changed: int
    """Number of items that changed in the source, or that the source has again after a removal."""

    again: int
    """Number of items that were retried because of earlier failures or missing files."""

    metadata_updated: int
    """Number of items whose documents were updated without a download."""

    collections_updated: int
    """Number of collections whose documents changed in the source. Always 0 in a dry run."""

    unchanged: int
    """Number of items that are complete in the mirror and unchanged in the source."""

    failed_items: int
    """Number of items that failed, and of documents of the source that cannot be read."""

    left: int
    """Number of items left for the next run, because a limit or a budget was reached."""

    removed: int
    """Number of items removed from the source. Always 0 with `on_removed='keep'`."""

    complete: bool
    """Whether the mirror has all items of the source that match the search, with all assets."""

    incomplete: list[str]
    """The reasons why the mirror is not complete, one phrase each."""

    def __str__(self) -> str:
        items = "item" if self.found == 1 else "items"
        text = f"{self.found:,} {items} found: {self.new:,} new, {self.changed:,} changed"
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
        return text


class ItemCounter:
    """Counts the items of a run, by the reason to download."""

    def __init__(self) -> None:
        self.failed = 0
        """Number of items that failed, and of documents that cannot be read."""
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

    def counts(
        self, mirror: MirrorUpdate, limits: RunSizeLimits, is_plan: bool, left_by_budget: int = 0
    ) -> MirrorCounts:
        """Return the counts at the end of a run.

        Args:
            mirror: The run of the mirror.
            limits: The limits of the run, with the number of items left for the next run.
            is_plan: Whether the run was a dry run.
            left_by_budget: Number of items left because of a budget.
        """
        reasons, changes = self._reasons, mirror.changes
        incomplete = list(
            incomplete_reasons(
                is_search_complete=mirror.is_complete,
                failed=self.failed,
                left=limits.left,
                too_large=limits.too_large,
                left_by_budget=left_by_budget,
                without_id=changes.without_id,
                planned=reasons.total() if is_plan else 0,
            )
        )
        return MirrorCounts(
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
