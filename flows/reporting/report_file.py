"""The report of a run: newline-delimited JSON with a row per asset."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from prefect.blocks.core import Block

from prefect_stac_asset.blocks.destinations import check_destination
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.parameters.destination import make_directory, persistent_path
from prefect_stac_asset.flows.reporting.result import DownloadResult
from prefect_stac_asset.flows.reporting.stored_files import RunFilesAccess, store_access
from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location, StorePath, is_store, location_of
from stac_asset.destinations.output import Output, open_output
from stac_asset.destinations.reports import (
    ROW_LENGTH,
    check_first_bytes,
    check_report_path,
    report_error,
)
from stac_asset.errors import DestinationError
from stac_asset.notices import notice_lines
from stac_asset.redact import redact_href
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, Transfer, outcome_row

WriteRow: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Function that writes a row of values that JSON can represent."""


def report_location(path: str | None, block: Block | None = None) -> Location | None:
    """Return the absolute location of a report, if a report is written.

    Args:
        path: The path of the report as the caller gave it, or the URL of an object.
        block: The block of the destination. With a block, the report can be an object.

    Raises:
        ConfigError: The block is for another bucket.
        DestinationError: The path is not usable, or is a URL without a block.
    """
    if path is None:
        return None
    if block is None or not is_store(path):
        return persistent_path(path, "report")
    location = location_of(path, "report")
    assert isinstance(location, StorePath), "the URL of a store is no path"
    check_destination(block, location, "report")
    return location


@asynccontextmanager
async def open_rows(
    location: Location | None, destinations: Destinations | None = None
) -> AsyncIterator[WriteRow]:
    """Open the report of a flow that has a parameter `report`.

    The report is written when the context ends without an error.

    Args:
        location: The location of the report. If None, rows are discarded.
        destinations: The destinations of the run. Required for the URL of an object.

    Raises:
        DestinationError: Another run is writing the report, the report cannot be created, or the
            path has a file that is no report.
    """
    if location is None:
        yield lambda row: None
        return
    await _check_replaced(location, destinations)
    opened = open_output(location, location.parent, destinations, parameter="report")
    async with AsyncExitStack() as stack:
        try:
            file = await stack.enter_async_context(opened)
        except DestinationError as error:
            raise report_error(location, error) from None
        yield lambda row: file.append(json.dumps(row).encode() + b"\n")
        await file.commit()


async def _check_replaced(location: Location, destinations: Destinations | None) -> None:
    """Check that a report replaces no file of another kind, such as the catalog of a mirror.

    Raises:
        DestinationError: The path has a folder, or a file that is no report.
    """
    if isinstance(location, Path):
        check_report_path(location)
        return
    assert destinations is not None, "an object has a destination"
    destination = destinations.destination_of(str(location.parent))
    first = await destination.head(destination.key_of(str(location)), ROW_LENGTH)
    check_first_bytes(location, first)


@dataclass(slots=True)
class Report:
    """The report of a run, with counts for the result. Created by `open_report`."""

    path: Location
    """The absolute location of the report."""

    directory: Location
    """The directory of the run."""

    file: Output
    """The open file."""

    store: RunFilesAccess | None = None
    """How the result reads the files of an object store."""

    errors: list[Exception] = field(default_factory=list)
    """The errors of failed assets."""

    total: int = 0
    """Number of rows."""

    left: int = 0
    """Number of items left for the next run."""

    _downloaded: int = 0
    _skipped: int = 0
    _bytes: int = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Write the rows of assets.

        Args:
            outcomes: The outcomes of the assets.
        """
        for outcome in outcomes:
            self.file.append(json.dumps(outcome_row(outcome)).encode() + b"\n")
            self.total += 1
            if isinstance(outcome, Failed):
                self.errors.append(outcome.error)
            else:
                self._downloaded += isinstance(outcome, Downloaded)
                self._skipped += isinstance(outcome, Skipped)
                self._bytes += outcome.size

    def leave(self, transfers: Iterable[Transfer]) -> None:
        """Write the rows of an item that is left for the next run. They do not count as assets.

        Args:
            transfers: The planned transfers of the item.
        """
        self.left += 1
        for transfer in transfers:
            row = {
                "state": "left",
                "owner": transfer.owner,
                "key": transfer.key,
                "href": redact_href(transfer.href),
                "path": transfer.path,
            }
            self.file.append(json.dumps(row).encode() + b"\n")

    async def finish(self, document: Location, seconds: float) -> DownloadResult:
        """Complete the report and return the result of the run.

        Args:
            document: The location of the rewritten STAC document.
            seconds: The duration of the run.

        Raises:
            DestinationError: The report cannot be completed.
        """
        await self.file.commit()
        return DownloadResult(
            directory=str(self.directory),
            document=str(document),
            report=str(self.path),
            downloaded=self._downloaded,
            skipped=self._skipped,
            failed=len(self.errors),
            bytes=self._bytes,
            seconds=round(seconds, 3),
            left_by_budget=self.left,
            notices=notice_lines(),
            store=self.store,
        )


@asynccontextmanager
async def open_report(
    path: Location, directory: Location, session: Session
) -> AsyncIterator[Report]:
    """Open the report of a run, and create the directory of the run.

    Args:
        path: The absolute location of the report.
        directory: The directory of the run.
        session: The session of the run.

    Raises:
        DestinationError: Another run is writing the report, or the report cannot be created.
    """
    if isinstance(directory, Path):
        make_directory(directory)
    async with open_output(path, directory, session.destinations) as file:
        store = None
        if not isinstance(directory, Path):
            store = store_access(session.config, session.destination_credentials)
        yield Report(path, directory, file, store)
