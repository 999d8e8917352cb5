"""What the flow `sync` returns, and the table that shows a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from prefect.artifacts import TableArtifact

from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.mirror.changes import ChangeSet, Reason
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.source_item import Key

PLAN = "stac-asset-plan"
"""The key of the artifact that shows a plan."""

_SHOWN = 1000
"""How many items the table shows."""


class SyncResult(DownloadResult):
    """The result of a mirror's run; its document is the mirror's catalog."""

    found: int
    """How many items the source has, of those that were searched for."""

    new: int
    """How many of them were taken since the mirror did not have them."""

    changed: int
    """How many were taken since they changed."""

    again: int
    """How many were taken since they failed before, or their files were gone."""

    unchanged: int
    """How many are as they were."""

    failed_items: int
    """How many of those that were taken failed; they are tried again next time."""

    left: int
    """How many are left for the next time, since the limits of the run were reached."""

    removed: int
    """How many have left the source, where the run was told to look for these."""

    dry_run: bool
    """Whether all of this is only what would be done."""

    def summary(self) -> str:
        """Returns the counts as a phrase."""
        text = f"{self.found:,} items found: {self.new:,} new, {self.changed:,} changed"
        for count, name in (
            (self.again, "tried again"),
            (self.unchanged, "unchanged"),
            (self.left, "left for the next run"),
            (self.removed, "gone from the source"),
            (self.failed_items, "failed"),
        ):
            text += f", {count:,} {name}" if count else ""
        return f"{text}; {super().summary()}" if not self.dry_run else f"{text}; nothing was done"


class Counts:
    """Counts the items of a run."""

    def __init__(self) -> None:
        self.failed = 0
        self._reasons: Counter[Reason] = Counter()

    def add(self, prepared: Prepared) -> None:
        """Counts an item that is taken.

        Args:
            prepared: The item.
        """
        self._reasons[prepared.wanted.reason] += 1

    def result(
        self,
        base: DownloadResult,
        night: ChangeSet,
        limits: RunSizeLimits,
        removed: int,
        dry_run: bool,
    ) -> SyncResult:
        """Returns the result of the run.

        Args:
            base: What became of assets.
            night: What there was to do.
            limits: How much of it was taken.
            removed: How many items have left the source.
            dry_run: Whether nothing was done.
        """
        reasons = self._reasons
        return SyncResult(
            **base.model_dump(),
            found=len(night.seen) + night.nameless,
            new=reasons[Reason.NEW],
            changed=reasons[Reason.CHANGED] + reasons[Reason.RESTORED],
            again=reasons[Reason.RETRY] + reasons[Reason.FILES_MISSING],
            unchanged=night.unchanged,
            failed_items=self.failed,
            left=limits.left,
            removed=removed,
            dry_run=dry_run,
        )


class SyncPlan:
    """The table of what a run would do."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []
        self._count = 0

    def add(self, prepared: Prepared) -> None:
        """Adds an item that would be taken.

        Args:
            prepared: The item.
        """
        missing = prepared.missing
        sizes = [transfer.size for transfer in missing]
        self._add(prepared.wanted.key, prepared.wanted.reason.value, len(missing), sizes)

    def add_removed(self, keys: Iterable[Key], what: str) -> None:
        """Adds items that have left the source.

        Args:
            keys: The items.
            what: What would become of them.
        """
        for key in keys:
            self._add(key, f"gone from the source: {what}", 0, [])

    async def write(self, summary: str) -> None:
        """Writes the table as an artifact of the flow run.

        Args:
            summary: What it comes to.
        """
        shown = len(self._rows)
        more = f" The first {shown:,} of {self._count:,}." if self._count > shown else ""
        rows = self._rows or [{"item": "", "reason": "nothing to do"}]
        artifact = TableArtifact(key=PLAN, description=f"{summary}.{more}", table=rows)
        await artifact.acreate()

    def _add(self, key: Key, reason: str, assets: int, sizes: Sequence[int | None]) -> None:
        self._count += 1
        if len(self._rows) < _SHOWN:
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
