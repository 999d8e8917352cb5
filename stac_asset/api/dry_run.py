"""The dry run, which reports the effects of a download without downloading.

A dry run plans like a download, raises the same errors before the first transfer, and then checks
existing files and sources. No file or directory is created. The `plan_*` functions and the command
`stac-asset plan` use this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from stac_asset.api.run import Run
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS
from stac_asset.destinations.directories import check_directory
from stac_asset.destinations.space import bytes_on_disk, free_bytes
from stac_asset.errors import (
    ContentError,
    DestinationError,
    LoginPageError,
    NotFoundError,
    StacAssetError,
    TransferError,
)
from stac_asset.plan.work import PlannedRun
from stac_asset.redact import redact_href
from stac_asset.transfer.existing import declared_by, find_existing
from stac_asset.transfer.probe import ProbeResult, probe_all
from stac_asset.types import Failed, Transfer

Action: TypeAlias = Literal["download", "skip", "fail"]
"""The planned action for an asset."""


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    """The planned action for an asset, with details."""

    owner: str
    """The item or collection that owns the asset, e.g. `item 'S2B_31UFU'`."""

    key: str
    """The asset key."""

    action: Action
    """`download`, `skip` (the file already exists) or `fail`."""

    href: str | None = None
    """The source href, redacted."""

    client: str | None = None
    """The name of the client that claims the href, if a client was looked up."""

    path: str | None = None
    """The absolute path of the destination file, or its URL in an object store."""

    size: int | None = None
    """Size in bytes, from `file:size`, the source or the existing file, if known."""

    note: str | None = None
    """The reason for the action, or for an unknown size."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The effects of a download, and the free disk space."""

    directory: str
    """The absolute path of the destination directory, or the URL of the prefix."""

    document: str | None
    """The absolute path or the URL of the document that would be written, if any."""

    rows: tuple[PlannedAsset, ...]
    """The selected assets, in the order of the source."""

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
        """Sentences with the reasons why the download would fail. Empty if it can start."""
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
            "free": self.free,
            "fits": self.fits,
            "problems": list(self.problems),
        }

    def __str__(self) -> str:
        unknown = f", {self.unknown} of unknown size" if self.unknown else ""
        counts = (
            f"{self.count('download')} to download ({self.needed:,} bytes{unknown}), "
            f"{self.count('skip')} already present, {self.count('fail')} unavailable."
        )
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
    directory = run.directory
    problem = await _directory_problem(run)
    rows: dict[int, PlannedAsset] = {}
    unknown: list[tuple[int, Transfer]] = []
    for index, entry in enumerate(planned):
        if row := await _row_without_probe(entry, run):
            rows[index] = row
        elif isinstance(entry, Transfer):
            unknown.append((index, entry))
    transfers = [transfer for _, transfer in unknown]
    results = await probe_all(transfers, run.clients, run.config, limit, trust_sizes=True)
    for (index, transfer), result in zip(unknown, results, strict=True):
        rows[index] = await _probed_row(transfer, result, run)
    planned_rows = [
        row for index, entry in enumerate(planned) for row in _with_shared(rows[index], entry)
    ]
    is_local = isinstance(directory, Path)
    return Plan(
        directory=str(directory),
        document=str(planned.document) if planned.document else None,
        rows=tuple(planned_rows),
        free=free_bytes(directory) if isinstance(directory, Path) else None,
        received=sum(
            min(row.size, bytes_on_disk(row.path))
            for row in planned_rows
            if is_local and row.action == "download" and row.size and row.path
        ),
        directory_problem=problem,
    )


def _with_shared(row: PlannedAsset, entry: Transfer | Failed) -> Iterator[PlannedAsset]:
    """Yield the row of a transfer, and a row for each other asset that shares the file."""
    yield row
    for key in entry.shared_with if isinstance(entry, Transfer) else ():
        if row.action == "fail":
            yield replace(row, key=key)
        else:
            yield replace(row, key=key, action="skip", note=f"same file as asset '{entry.key}'")


async def _row_without_probe(entry: Transfer | Failed, run: Run) -> PlannedAsset | None:
    """Return the row of an asset that fails or is skipped without a request to the source.

    If the source must be checked, return None.
    """
    if isinstance(entry, Failed):
        return PlannedAsset(entry.owner, entry.key, "fail", note=_reason(entry.error))
    try:
        destination = run.destinations.destination_of(entry.directory)
        skipped = await find_existing(
            entry, declared_by(entry), run.config, destination, clean_up=False
        )
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
        note="file already exists",
    )


async def _probed_row(transfer: Transfer, result: ProbeResult, run: Run) -> PlannedAsset:
    size = transfer.size
    if size is None and result.stat is not None:
        size = result.stat.size
    action, note = await _action(transfer, result, run)
    if action == "download" and size is None and note is None:
        note = "source reports no size"
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
    """Return the action for an asset without an existing file, and the reason if any."""
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
        case ContentError() | LoginPageError():
            return "fail", result.error.message
        case TransferError():
            # Some servers reject the check and allow the download.
            return "download", f"source cannot be checked: {result.error.message}"
        case _:
            return "fail", result.error.message


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, StacAssetError) else str(error)


async def _directory_problem(run: Run) -> str | None:
    try:
        if isinstance(run.directory, Path):
            check_directory(run.directory, run.config.make_directory)
        else:
            await run.destinations.prepare(str(run.directory), writable=False)
    except DestinationError as error:
        return error.message
    return None
