"""What a run writes while it goes on: the rewritten items, and the rows of the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows.parameters.destination import make_directory
from flows.reporting.result import DownloadResult
from stac_asset.destinations.local.lock import BusyError
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.errors import DestinationError
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, outcome_row


class OutputFile:
    """A file that grows while a run goes on, and has its name when it is whole.

    Used as a context manager; left before its `commit`, it leaves nothing behind.

    Args:
        path: Where it goes.
        directory: The directory that it may not leave.
    """

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self.directory = directory

    def write(self, data: bytes) -> None:
        """Writes the next bytes.

        Args:
            data: What follows.
        """
        self._part.write(data)

    def commit(self) -> None:
        """Gives the file its name."""
        self._part.commit()

    def __enter__(self) -> Self:
        try:
            self._part = PartFile(self.path, self.directory, "output")
        except BusyError:
            # Not waited for: it lasts as long as that run, and may be of this very process.
            raise DestinationError(
                f"cannot write {self.path}: another run is writing it; let that come to its end, "
                "or give this one a directory of its own"
            ) from None
        self._part.start(0, None, None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._part.__exit__(kind, error, trace)


class Report(OutputFile):
    """The report of a run: newline-delimited JSON, a row an asset, and the sums of all rows."""

    def __init__(self, path: Path, directory: Path) -> None:
        super().__init__(path, directory)
        self.errors: list[Exception] = []
        self.total = self._downloaded = self._skipped = self._bytes = 0

    def __enter__(self) -> Self:
        make_directory(self.directory)
        return super().__enter__()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Writes rows.

        Args:
            outcomes: What became of some assets.
        """
        for outcome in outcomes:
            self.write(json.dumps(outcome_row(outcome)).encode() + b"\n")
            self.total += 1
            if isinstance(outcome, Failed):
                self.errors.append(outcome.error)
            else:
                self._downloaded += isinstance(outcome, Downloaded)
                self._skipped += isinstance(outcome, Skipped)
                self._bytes += outcome.size

    def finish(self, document: Path, seconds: float) -> DownloadResult:
        """Gives the report its name, and returns the result of the run.

        Args:
            document: The rewritten STAC document.
            seconds: How long the run took.
        """
        self.commit()
        return DownloadResult(
            directory=str(self.directory),
            document=str(document),
            report=str(self.path),
            downloaded=self._downloaded,
            skipped=self._skipped,
            failed=len(self.errors),
            bytes=self._bytes,
            seconds=round(seconds, 3),
        )


class Rows:
    """A file of rows; use it as a context manager, and `finish` it.

    Args:
        path: Where it goes; if None, nothing is written.
    """

    def __init__(self, path: str | None) -> None:
        place = Path(path).absolute() if path else None
        self._file = OutputFile(place, place.parent) if place else None

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes a row.

        Args:
            row: JSON-able values.
        """
        if self._file is not None:
            self._file.write(json.dumps(row).encode() + b"\n")

    def finish(self) -> str | None:
        """Gives the file its name, and returns its path, if there is one."""
        if self._file is None:
            return None
        self._file.commit()
        return str(self._file.path)

    def __enter__(self) -> Self:
        if self._file is not None:
            self._file.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.__exit__(kind, error, trace)
