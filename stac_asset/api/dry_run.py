"""The dry run: what a download would do, and whether there is room for it.

It plans as the download functions do, and raises what they raise before a byte moves. It makes no
file and no directory.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from stac_asset.api.run import Run
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS
from stac_asset.errors import NotFoundError, StacAssetError, TransferError
from stac_asset.plan.work import PlannedRun
from stac_asset.redact import redact_href
from stac_asset.transfer.existing import find_existing
from stac_asset.transfer.probe import ProbeResult, probe_all
from stac_asset.types import Failed, Transfer

Action: TypeAlias = Literal["download", "skip", "fail"]
"""What would become of an asset."""


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    """What would become of one asset."""

    owner: str
    """Whose asset it is, e.g. `item 'S2B_31UFU'`."""

    key: str
    """The asset's key."""

    action: Action
    """Whether it would be downloaded, skipped because its file is there, or fail."""

    href: str | None = None
    """Where it would be fetched from, without the query."""

    client: str | None = None
    """The name of the client that would fetch it; None where none would."""

    path: str | None = None
    """The absolute path of its file."""

    size: int | None = None
    """Bytes, where `file:size`, the source or the file that is there tells."""

    note: str | None = None
    """Why it would be skipped or fail, or why its size is not known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download would do, and whether there is room for it."""

    directory: str
    """The absolute path of the directory."""

    document: str | None
    """The absolute path of the document that would be written, if any."""

    rows: tuple[PlannedAsset, ...]
    """The assets that are wanted, in their order."""

    free: int
    """Free bytes of the file system on which the directory is, or would be."""

    def count(self, action: Action) -> int:
        """Returns how many assets would be downloaded, skipped, or fail."""
        return sum(row.action == action for row in self.rows)

    @property
    def needed(self) -> int:
        """Bytes of all files that would be downloaded and whose size is known."""
        return sum(row.size or 0 for row in self.rows if row.action == "download")

    @property
    def unknown(self) -> int:
        """How many files would be downloaded whose size is not known."""
        return sum(row.size is None for row in self.rows if row.action == "download")

    @property
    def fits(self) -> bool | None:
        """Whether there is room; None where that depends on the sizes that are not known."""
        if self.needed > self.free:
            return False
        return None if self.unknown else True

    def to_dict(self) -> dict[str, Any]:
        """Returns the plan as JSON-able values, totals included."""
        return {
            "directory": self.directory,
            "document": self.document,
            "rows": [asdict(row) for row in self.rows],
            "download": self.count("download"),
            "skip": self.count("skip"),
            "fail": self.count("fail"),
            "needed": self.needed,
            "unknown": self.unknown,
            "free": self.free,
            "fits": self.fits,
        }

    def __str__(self) -> str:
        unknown = f" and {self.unknown} of unknown size" if self.unknown else ""
        room = {True: "they fit", False: "they do not fit", None: "they may fit"}[self.fits]
        return (
            f"{self.count('download')} to download ({self.needed:,} bytes{unknown}), "
            f"{self.count('skip')} there already, {self.count('fail')} cannot be had; "
            f"{self.free:,} bytes are free: {room}"
        )


async def dry_run(
    run: Run, planned: PlannedRun, limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS
) -> Plan:
    """Return what a run would do.

    Args:
        run: The run, which is not started.
        planned: The plan of the run.
        limit: Maximum number of sources to ask at the same time.
    """
    rows: dict[int, PlannedAsset] = {}
    unknown: list[tuple[int, Transfer]] = []
    for index, entry in enumerate(planned):
        if row := await _row_without_probe(entry, run):
            rows[index] = row
        elif isinstance(entry, Transfer):
            unknown.append((index, entry))
    transfers = [transfer for _, transfer in unknown]
    async with run.open_clients() as clients:
        results = await probe_all(transfers, clients, run.config, limit, trust_sizes=True)
    for (index, transfer), result in zip(unknown, results, strict=True):
        rows[index] = await _probed_row(transfer, result, run)
    return Plan(
        directory=str(run.directory),
        document=str(planned.document) if planned.document else None,
        rows=tuple(row for _, row in sorted(rows.items())),
        free=_free_bytes(run.directory),
    )


async def _row_without_probe(entry: Transfer | Failed, run: Run) -> PlannedAsset | None:
    """Return the row of an asset that cannot be downloaded or exists already, or None."""
    if isinstance(entry, Failed):
        return PlannedAsset(entry.owner, entry.key, "fail", note=_reason(entry.error))
    try:
        destination = run.destinations.destination_of(entry.directory)
        skipped = await find_existing(entry, run.config, destination, clean_up=False)
    except StacAssetError as error:
        return PlannedAsset(entry.owner, entry.key, "fail", path=entry.path, note=_reason(error))
    if skipped is None:
        return None
    return PlannedAsset(
        owner=entry.owner,
        key=entry.key,
        action="skip",
        href=redact_href(skipped.candidate.href),
        path=skipped.candidate.path,
        size=skipped.size,
        note="its file is there",
    )


async def _probed_row(transfer: Transfer, result: ProbeResult, run: Run) -> PlannedAsset:
    size = transfer.size
    if size is None and result.stat is not None:
        size = result.stat.size
    action, note = await _action(transfer, result, run)
    if action == "download" and size is None and note is None:
        note = "its source does not say how large it is"
    return PlannedAsset(
        owner=transfer.owner,
        key=transfer.key,
        action=action,
        href=redact_href(result.candidate.href),
        client=result.client,
        path=result.candidate.path,
        size=size,
        note=note,
    )


async def _action(transfer: Transfer, result: ProbeResult, run: Run) -> tuple[Action, str | None]:
    """Return what would be done with an asset whose file does not exist yet, and why."""
    destination = run.destinations.destination_of(transfer.directory)
    try:
        await destination.check(destination.key_of(result.candidate.path))
    except StacAssetError as error:
        return "fail", _reason(error)
    match result.error:
        case None:
            return "download", None
        case NotFoundError():
            return "fail", f"missing: {result.error.message}"
        case TransferError():
            # Some servers refuse the probe and allow the download.
            return "download", f"its source cannot be asked: {result.error.message}"
        case _:
            return "fail", result.error.message


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, StacAssetError) else str(error)


def _free_bytes(directory: Path) -> int:
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free
