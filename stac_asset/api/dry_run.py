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
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.destinations.local.containment import Fence
from stac_asset.errors import NotFoundError, StacAssetError, TransferError
from stac_asset.plan.work import Work
from stac_asset.redact import redact_href
from stac_asset.transfer.existing import find_existing
from stac_asset.transfer.probe import Finding, survey
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


async def look_ahead(run: Run, work: Work, limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS) -> Plan:
    """Returns what a run would do.

    Args:
        run: The run, which does nothing.
        work: What it has planned.
        limit: How many sources are asked at once, at most.
    """
    settled: dict[int, PlannedAsset] = {}
    open_ones: list[tuple[int, Transfer]] = []
    for index, entry in enumerate(work):
        if row := await _settled(entry, run.config):
            settled[index] = row
        elif isinstance(entry, Transfer):
            open_ones.append((index, entry))
    transfers = [transfer for _, transfer in open_ones]
    async with run.open_clients() as clients:
        findings = await survey(transfers, clients, run.config, limit, trust_sizes=True)
    for (index, transfer), finding in zip(open_ones, findings, strict=True):
        settled[index] = _row(transfer, finding)
    return Plan(
        directory=str(run.directory),
        document=str(work.document) if work.document else None,
        rows=tuple(row for _, row in sorted(settled.items())),
        free=_free_bytes(run.directory),
    )


async def _settled(entry: Transfer | Failed, config: Config) -> PlannedAsset | None:
    """Returns the row of an asset for which no source has to be asked, or None."""
    if isinstance(entry, Failed):
        return PlannedAsset(entry.owner, entry.key, "fail", note=_reason(entry.error))
    try:
        skipped = await find_existing(entry, config, tidy=False)
    except StacAssetError as error:
        return PlannedAsset(entry.owner, entry.key, "fail", path=entry.path, note=_reason(error))
    if skipped is not None:
        found = skipped.candidate
        return PlannedAsset(
            owner=entry.owner,
            key=entry.key,
            action="skip",
            href=redact_href(found.href),
            path=found.path,
            size=skipped.size,
            note="its file is there",
        )
    return None


def _row(transfer: Transfer, finding: Finding) -> PlannedAsset:
    size = transfer.size
    if size is None and finding.stat is not None:
        size = finding.stat.size
    action, note = _verdict(transfer, finding)
    if action == "download" and size is None and note is None:
        note = "its source does not say how large it is"
    return PlannedAsset(
        owner=transfer.owner,
        key=transfer.key,
        action=action,
        href=redact_href(finding.candidate.href),
        client=finding.client,
        path=finding.candidate.path,
        size=size,
        note=note,
    )


def _verdict(transfer: Transfer, finding: Finding) -> tuple[Action, str | None]:
    """Returns what would become of an asset that is not there yet, and why."""
    try:
        Fence(transfer.directory).check(finding.candidate.path)
    except StacAssetError as error:
        return "fail", _reason(error)
    match finding.error:
        case None:
            return "download", None
        case NotFoundError():
            return "fail", f"missing: {finding.error.message}"
        case TransferError():
            # Some sources refuse the question and answer the download.
            return "download", f"its source cannot be asked: {finding.error.message}"
        case _:
            return "fail", finding.error.message


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, StacAssetError) else str(error)


def _free_bytes(directory: Path) -> int:
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free
