"""Verifies a directory or prefix and repairs bad files, for the command line and the flow `verify`.

The caller supplies the function that downloads: the command line runs the engine, the flow tasks.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import bounded
from stac_asset.config import Config
from stac_asset.types import Failed, Outcome
from stac_asset.verify.check import MAX_OPEN_FILES, check_all
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import Inventory
from stac_asset.verify.repair import Repair, Unrepairable, after_repair, plan_repairs
from stac_asset.verify.results import (
    Bad,
    Corrupt,
    Missing,
    OutOfBounds,
    Summary,
    Verdict,
    VerdictRow,
    is_good,
)


def _ignore(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Repairs:
    """The clients, configuration and functions for repairs, supplied by the caller."""

    clients: Clients
    """The clients that read the sources."""

    config: Config
    """The configuration, from `stac_asset.verify.repair.repair_config`."""

    download: Callable[[Sequence[Repair]], AsyncGenerator[Outcome, None]]
    """Downloads the planned files, and yields an outcome for each."""

    on_unrepairable: Callable[[Unrepairable], None] = _ignore
    """Called for each file that cannot be repaired, before the first download. May raise to stop
    the run."""


async def verify_files(
    inventory: Inventory,
    open_repairs: Callable[[Sequence[Bad]], AbstractAsyncContextManager[Repairs]] | None = None,
    on_row: Callable[[VerdictRow], object] = _ignore,
    config: Config | None = None,
    read: bool = False,
    selects: Callable[[ExpectedAsset], bool] = lambda asset: True,
) -> Summary:
    """Check all files of a directory or prefix, and optionally repair bad files.

    Args:
        inventory: The inventory of the directory or prefix.
        open_repairs: Returns a context manager that opens the `Repairs`. Called once with all bad
            verdicts, if there are any. If None, bad files are only reported.
        on_row: Called with the final row of each asset, for a report.
        config: Which content of files is accepted. Default: that of `Config()`.
        read: Read each file with a declared checksum. By default, a destination may compare the
            checksum that was recorded when the file was written.
        selects: Returns whether to check and repair an asset. Default: all assets.

    Raises:
        DestinationError: A request to the destination failed.
    """
    summary, bad = Summary(inventory.unreadable), list[Bad]()
    checking = check_all(inventory, config=config, read=read, selects=selects)
    async with aclosing(checking) as verdicts:
        async for verdict in verdicts:
            if open_repairs is not None and isinstance(verdict, Missing | Corrupt | OutOfBounds):
                bad.append(verdict)
            else:
                on_row(summary.add(verdict))
    if open_repairs is not None and bad:
        async with open_repairs(bad) as repairs:
            errors = await _repair(bad, inventory, repairs)
        for verdict in await _check_again(bad, inventory, errors, config or Config(), read):
            on_row(summary.add(verdict, is_good(verdict)))
    return summary


async def _repair(
    bad: Sequence[Bad], inventory: Inventory, repairs: Repairs
) -> dict[str, Exception]:
    """Repair files, and return the errors of failed repairs by the paths of the files."""
    errors: dict[str, Exception] = {}
    planned: list[Repair] = []
    async with aclosing(plan_repairs(bad, inventory, repairs.clients, repairs.config)) as entries:
        async for entry in entries:
            if isinstance(entry, Unrepairable):
                repairs.on_unrepairable(entry)
                errors[entry.path] = entry.error
            else:
                planned.append(entry)
    async with aclosing(repairs.download(planned)) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome, Failed) and outcome.transfer is not None:
                errors[outcome.transfer.path] = outcome.error
    return errors


async def _check_again(
    bad: Sequence[Bad],
    inventory: Inventory,
    errors: Mapping[str, Exception],
    config: Config,
    read: bool,
) -> list[Verdict]:
    """Return the verdicts after all repairs, in the order of the earlier verdicts."""
    verdicts: dict[int, Verdict] = {}

    async def check_one(index: int) -> None:
        verdicts[index] = await after_repair(bad[index], inventory, errors, config, read)

    async with aclosing(bounded(check_one, range(len(bad)), MAX_OPEN_FILES)) as checking:
        async for _ in checking:
            pass
    return [verdicts[index] for index in range(len(bad))]
