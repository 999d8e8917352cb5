"""Repairs the differences between a mirror and the source, by the existing mechanisms.

- A run of the mirror over the whole selection updates missing and outdated items, and files that
  are missing or have another size. Items that left the source are marked or removed as `on_removed`
  says.
- The repair of `verify` replaces other corrupt files, such as files with another checksum, and
  files of items that do not belong to the search.

The mirror is compared again afterwards, so that the result names what is left. The caller supplies
the functions that download: the command line runs the engine, the flow tasks.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from stac_asset.audit.confirmation import audit
from stac_asset.audit.differences import Difference, DifferenceRow, Kind, difference_row
from stac_asset.audit.job import AuditJob
from stac_asset.audit.summary import AuditSummary
from stac_asset.concurrency import concurrent_calls
from stac_asset.destinations import BusyError
from stac_asset.destinations.local.documents import new_file
from stac_asset.errors import DestinationError, StacAssetError
from stac_asset.mirror.layout import REPORT, document_path
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.source_item import Key
from stac_asset.types import Failed, Outcome
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import take_inventory
from stac_asset.verify.repair import REPAIR_FAILED
from stac_asset.verify.results import Bad, VerdictRow
from stac_asset.verify.run import Repairs, verify_files

Downloads: TypeAlias = AsyncGenerator[tuple[Prepared, Sequence[Outcome]], None]
"""Downloads the items of `MirrorUpdate.prepared`, and yields each item with the outcomes."""


@dataclass(frozen=True, slots=True)
class RepairTools:
    """How an audit repairs differences, supplied by the caller."""

    prepare: Callable[[MirrorUpdate], Awaitable[Downloads]]
    """Checks that the items can be downloaded, and returns the downloads, which are not started.
    Called after `MirrorUpdate.choose`, and before the first file is written."""

    open_repairs: Callable[[Sequence[Bad]], AbstractAsyncContextManager[Repairs]]
    """Opens the repairs of single files, as for `verify_files`."""

    on_removed: OnRemoved = "keep"
    """Action for items that left the source."""


async def run_audit(
    job: AuditJob,
    on_row: Callable[[DifferenceRow], object],
    read_files: bool = False,
    repair: RepairTools | None = None,
) -> AuditSummary:
    """Compare a mirror with the source, and optionally repair the differences.

    Args:
        job: The mirror and the source.
        on_row: Called with the row of each difference, after the repairs.
        read_files: Read all files, to compare the checksums.
        repair: How to repair. If None, no file is changed.

    Returns:
        The summary of the remaining differences.

    Raises:
        SourceError: The source cannot be read, or the mirror does not exist.
        ConfigError: The source does not support the search, or the directory is no mirror.
        DestinationError: A run of the mirror is in progress, or a request failed.
    """
    if repair is None:
        return await audit(job, lambda found: on_row(difference_row(found)), read_files)
    before: list[Difference] = []
    summary = await audit(job, before.append, read_files)
    if any(_is_repairable(found, repair) for found in before):
        async with _locked(job):
            errors = await _update(job, repair)
            errors |= await _repair_files(job, repair, before, read_files)
        left = set()

        def add(found: Difference) -> None:
            left.add(found.identity)
            on_row(difference_row(found))

        summary = await audit(job, add, read_files, errors)
        for difference in before:
            if difference.identity not in left:
                summary.repaired += 1
                on_row(difference_row(difference, repaired=True))
    else:
        for difference in before:
            on_row(difference_row(difference))
    return summary


def _is_repairable(difference: Difference, repair: RepairTools) -> bool:
    """Return whether a repair can end a difference."""
    if difference.kind is Kind.INCONSISTENT:
        return difference.key is not None
    is_item = difference.asset is None
    return not (difference.kind is Kind.EXTRA and is_item and repair.on_removed == "keep")


@asynccontextmanager
async def _locked(job: AuditJob) -> AsyncIterator[None]:
    """Prevent other runs of a mirror in a directory. In an object store, the lease does so.

    Raises:
        DestinationError: A run of the mirror is in progress.
    """
    if not isinstance(job.directory, Path):
        yield
        return
    try:
        with new_file(job.directory / REPORT, job.directory):
            yield
    except BusyError:
        raise DestinationError(
            f"cannot repair {job.directory}: a run of the mirror is in progress. Wait for the run "
            "to end."
        ) from None


async def _update(job: AuditJob, repair: RepairTools) -> dict[tuple[Key | None, str | None], str]:
    """Run the mirror over the whole selection, and return the errors of assets."""
    errors: dict[tuple[Key | None, str | None], str] = {}
    async with job.open_mirror(writable=True) as (mirror, storage):
        await mirror.find_changes(whole=True)
        if repair.on_removed != "keep":
            await mirror.find_removed(marked=repair.on_removed == "delete")
        async for _ in mirror.choose(RunSizeLimits()):
            pass
        downloads = await repair.prepare(mirror)
        await mirror.begin()
        try:
            async with (
                concurrent_calls(storage.concurrency) as start,
                aclosing(downloads) as done,
            ):
                async for prepared, outcomes in done:
                    for outcome in outcomes:
                        if isinstance(outcome, Failed):
                            message = _message(outcome.error)
                            errors[prepared.wanted.key, outcome.key] = message
                            errors.setdefault((prepared.wanted.key, None), message)
                    await start(_add(mirror, prepared, outcomes))
        except Exception:
            # Record the items that were finished before the error.
            await mirror.save()
            raise
        await mirror.finish(repair.on_removed)
    return errors


def _message(error: Exception) -> str:
    return error.message if isinstance(error, StacAssetError) else str(error)


async def _add(mirror: MirrorUpdate, prepared: Prepared, outcomes: Sequence[Outcome]) -> None:
    await mirror.add(prepared, await mirror.keep_earlier_files(prepared, outcomes))


async def _repair_files(
    job: AuditJob, repair: RepairTools, before: Sequence[Difference], read_files: bool
) -> dict[tuple[Key | None, str | None], str]:
    """Repair the files that the update left missing or corrupt, and return the errors."""
    bad = {
        (f"{job.directory}/{document_path(found.key)}", found.asset): (found.key, found.asset)
        for found in before
        if found.kind in (Kind.MISSING, Kind.CORRUPT)
        and found.key is not None
        and found.path is not None
    }
    errors: dict[tuple[Key | None, str | None], str] = {}
    if not bad:
        return errors

    def selects(asset: ExpectedAsset) -> bool:
        return (asset.document, asset.key) in bad

    def add(row: VerdictRow) -> None:
        _, _, error = str(row.get("reason", "")).partition(REPAIR_FAILED)
        if error:
            errors[bad[str(row["document"]), str(row["key"])]] = error

    inventory = await take_inventory(str(job.directory), job.destinations)
    await verify_files(
        inventory, repair.open_repairs, add, config=job.config, read=read_files, selects=selects
    )
    return errors
