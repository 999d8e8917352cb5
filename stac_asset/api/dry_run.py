"""The dry run, which reports the effects of a download without downloading.

A dry run plans like a download, raises the same errors before the first transfer, and then checks
existing files and sources. No file or directory is created. The `plan_*` functions and the command
`stac-asset plan` use this module.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from stac_asset.api.planned_rows import planned_rows
from stac_asset.api.run import Run
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS
from stac_asset.destinations.directories import check_directory
from stac_asset.destinations.space import bytes_on_disk, free_bytes
from stac_asset.display import Display, Shown
from stac_asset.errors import DestinationError
from stac_asset.plan.owners import owner_id
from stac_asset.plan.summary import Action, PlannedAsset, PlanSummary, PlanTotals
from stac_asset.plan.work import PlannedRun
from stac_asset.stac.foreign_documents import check_replaceable


@dataclass(frozen=True, slots=True, repr=False)
class Plan(Display):
    """The effects of a download, and the free disk space."""

    directory: str
    """The absolute path of the destination directory, or the URL of the prefix."""

    document: str | None
    """The absolute path or the URL of the document that would be written, if any."""

    rows: tuple[PlannedAsset, ...]
    """The selected assets, in the order of the source."""

    summary: PlanSummary
    """The totals: items and assets by reason, requests, estimated duration and cost."""

    free: int | None
    """Free bytes on the file system of the directory. None for an object store."""

    received: int = 0
    """Bytes of files to download that are already on the disk, mostly in part files."""

    directory_problem: str | None = None
    """The reason why the directory cannot be created or written to, if any."""

    def count(self, action: Action) -> int:
        """Return the number of assets with an action.

        Args:
            action: `download`, `skip` or `fail`.
        """
        return sum(row.action == action for row in self.rows)

    @property
    def needed(self) -> int:
        """Total size, in bytes, of all files to download with a known size."""
        return sum(row.size or 0 for row in self.rows if row.action == "download")

    @property
    def unknown(self) -> int:
        """Number of files to download with an unknown size."""
        return sum(row.size is None for row in self.rows if row.action == "download")

    @property
    def fits(self) -> bool | None:
        """Whether the files fit on disk. None if the answer depends on unknown sizes."""
        if self.free is None:
            return True
        if self.needed - self.received > self.free:
            return False
        return None if self.unknown else True

    @property
    def problems(self) -> tuple[str, ...]:
        """Reasons why the download would fail, one sentence each. Empty without a reason."""
        found = [] if self.directory_problem is None else [self.directory_problem]
        if self.free is not None and self.fits is False:
            found.append(
                f"The files need {self.needed - self.received:,} more bytes, but only "
                f"{self.free:,} bytes are free in directory '{self.directory}'. Free disk space, "
                "or select fewer assets."
            )
        if failed := self.count("fail"):
            found.append(
                f"{failed} of {len(self.rows)} assets cannot be downloaded. Their notes give the "
                "reasons."
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan and the totals as JSON-serializable values."""
        return {
            "directory": self.directory,
            "document": self.document,
            "rows": [asdict(row) for row in self.rows],
            "download": self.count("download"),
            "skip": self.count("skip"),
            "fail": self.count("fail"),
            "needed": self.needed,
            "unknown": self.unknown,
            "items": self.summary.items,
            "assets": self.summary.assets,
            "requests": self.summary.requests,
            "seconds": self.summary.seconds,
            "cost": self.summary.cost,
            "free": self.free,
            "fits": self.fits,
            "problems": list(self.problems),
        }

    def _shown(self) -> Shown:
        facts = {
            "directory": self.directory,
            "document": self.document,
            "items": ", ".join(f"{n:,} {reason}" for reason, n in self.summary.items.items()),
            "problems": " ".join(self.problems),
        }
        rows = (
            (row.owner, row.key, row.action, row.size, row.note or row.reason, row.href)
            for row in self.rows
        )
        columns = ("owner", "asset", "action", "bytes", "reason", "href")
        return Shown(str(self), facts, columns, rows, len(self.rows))

    def __str__(self) -> str:
        unknown = f", {self.unknown} of unknown size" if self.unknown else ""
        counts = (
            f"{self.count('download')} to download ({self.needed:,} bytes{unknown}), "
            f"{self.count('skip')} already present, {self.count('fail')} unavailable."
        )
        if self.summary.seconds is not None:
            counts += f" About {self.summary.seconds:,.0f} s."
        if self.summary.cost is not None:
            counts += f" Cost: {self.summary.cost:,.2f}."
        if self.free is None:
            return counts
        fits = {True: "fits", False: "does not fit", None: "may not fit"}[self.fits]
        return f"{counts} {self.free:,} bytes free: {fits}."


async def dry_run(
    run: Run, planned: PlannedRun, limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS
) -> Plan:
    """Return the effects of a planned run.

    Args:
        run: The run, which is not started.
        planned: The plan of the run.
        limit: Maximum number of sources to check at the same time.
    """
    async with run.open():
        return await _dry_run(run, planned, limit)


async def _dry_run(run: Run, planned: PlannedRun, limit: int) -> Plan:
    directory, config = run.directory, run.config
    problem = await _directory_problem(run, planned)
    rows = await planned_rows(list(planned), run.clients, run.destinations, config, limit)
    is_local = isinstance(directory, Path)
    totals = PlanTotals(config.price_per_gb, limit, config.expected_speed)
    for owner, assets in groupby(rows, key=lambda row: row.owner):
        totals.add(owner_id(owner), list(assets))
    return Plan(
        directory=str(directory),
        document=str(planned.document) if planned.document else None,
        rows=tuple(rows),
        summary=totals.summary(),
        free=free_bytes(directory) if isinstance(directory, Path) else None,
        received=sum(
            min(row.size, bytes_on_disk(row.path))
            for row in rows
            if is_local and row.action == "download" and row.size and row.path
        ),
        directory_problem=problem,
    )


async def _directory_problem(run: Run, planned: PlannedRun) -> str | None:
    try:
        if isinstance(run.directory, Path):
            check_directory(run.directory, run.config.make_directory)
        else:
            await run.destinations.prepare(str(run.directory), writable=False)
        destination = run.destinations.destination_of(str(run.directory))
        await check_replaceable(planned.document, destination)
    except DestinationError as error:
        return error.message
    return None
