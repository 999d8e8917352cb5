"""The result of the flow `sync`."""

from __future__ import annotations

import dataclasses

from pydantic import Field

from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.display import Shown
from stac_asset.mirror.counts import MirrorCounts


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

    def _shown(self) -> Shown:
        shown = super()._shown()
        state = {"complete": self.complete, "not complete because": "; ".join(self.incomplete)}
        return dataclasses.replace(shown, facts=state | dict(shown.facts))

    def summary(self) -> str:
        """Return the counts as a phrase."""
        text = str(MirrorCounts(**{one.name: getattr(self, one.name) for one in _COUNTS}))
        return f"{text}; dry run" if self.dry_run else f"{text}; {super().summary()}"


_COUNTS = dataclasses.fields(MirrorCounts)
