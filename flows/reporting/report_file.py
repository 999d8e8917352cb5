"""The report of a run: newline-delimited JSON with a row per asset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from prefect_stac_asset.flows.parameters.destination import make_directory, persistent_path
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.destinations import BusyError
from stac_asset.destinations.local.documents import new_file
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.errors import DestinationError
from stac_asset.notices import notice_lines
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, outcome_row

WriteRow: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Function that writes a row of values that JSON can represent."""


@contextmanager
def open_output(path: Path, directory: Path, parameter: str = "directory") -> Iterator[PartFile]:
    """Open a file that grows during a run. Without a commit, the previous file is kept.

    Args:
        path: The absolute path of the file.
        directory: The directory that contains the file. Symbolic links cannot lead outside.
        parameter: The parameter that determines the path, for error messages.

    Raises:
        DestinationError: Another run is writing the file, or the file cannot be created.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(new_file(path, directory))
        except BusyError:
            # Do not wait: the other run may take long, or may be waiting for this run.
            raise DestinationError(
                f"Cannot write '{path}': another run is writing it. Wait for that run to end, or "
                f"set `{parameter}` to another path."
            ) from None
        yield file


def report_location(path: str | None) -> str | None:
    """Return the absolute path of a report, if a report is written.

    Args:
        path: The path of the report, as the caller gave it.
    """
    return str(persistent_path(path, "report")) if path is not None else None


@contextmanager
def open_rows(path: str | None) -> Iterator[WriteRow]:
    """Open the report of a flow that has a parameter `report`.

    The report is written when the context ends without an error.

    Args:
        path: The path of the report. If None, rows are discarded.

    Raises:
        DestinationError: Another run is writing the report, or the report cannot be created.
    """
    if path is None:
        yield lambda row: None
        return
    place = persistent_path(path, "report")
    with open_output(place, place.parent, parameter="report") as file:
        yield lambda row: file.append(json.dumps(row).encode() + b"\n")
        file.commit()


@dataclass(slots=True)
class Report:
    """The report of a run, with counts for the result. Created by `open_report`."""

    path: Path
    """The absolute path of the report."""

    directory: Path
    """The directory of the run."""

    file: PartFile
    """The open file."""

    errors: list[Exception] = field(default_factory=list)
    """The errors of failed assets."""

    total: int = 0
    """Number of rows."""

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

    def finish(self, document: Path, seconds: float) -> DownloadResult:
        """Complete the report and return the result of the run.

        Args:
            document: The path of the rewritten STAC document.
            seconds: The duration of the run.
        """
        self.file.commit()
        return DownloadResult(
            directory=str(self.directory),
            document=str(document),
            report=str(self.path),
            downloaded=self._downloaded,
            skipped=self._skipped,
            failed=len(self.errors),
            bytes=self._bytes,
            seconds=round(seconds, 3),
            notices=notice_lines(),
        )


@contextmanager
def open_report(path: Path, directory: Path) -> Iterator[Report]:
    """Open the report of a run, and create the directory of the run.

    Args:
        path: The absolute path of the report.
        directory: The directory of the run.

    Raises:
        DestinationError: Another run is writing the report, or the report cannot be created.
    """
    make_directory(directory)
    with open_output(path, directory) as file:
        yield Report(path, directory, file)
