"""What a run writes while it goes on: the rewritten items, and the rows of the report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows.report import DownloadResult
from stac_asset.files import PartFile
from stac_asset.rewrite import json_bytes
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, outcome_row


class Report:
    """The report of a run: newline-delimited JSON, a row an asset, and the sums of all rows.

    Used as a context manager, it gets its name when the run has come to its end, with errors or
    without, and leaves nothing behind when it has not.

    Args:
        path: Where it goes.
        directory: The directory that it may not leave.
    """

    def __init__(self, path: Path, directory: Path) -> None:
        self._path = path
        self._directory = directory
        self.errors: list[Exception] = []
        self.total = self._downloaded = self._skipped = self._bytes = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Writes rows.

        Args:
            outcomes: What became of some assets.
        """
        rows = []
        for outcome in outcomes:
            rows.append(json.dumps(outcome_row(outcome)) + "\n")
            self.total += 1
            if isinstance(outcome, Failed):
                self.errors.append(outcome.error)
            else:
                self._downloaded += isinstance(outcome, Downloaded)
                self._skipped += isinstance(outcome, Skipped)
                self._bytes += outcome.size
        self._part.write("".join(rows).encode())

    def finish(self, document: Path, seconds: float) -> DownloadResult:
        """Gives the report its name, and returns the result of the run.

        Args:
            document: The rewritten STAC document.
            seconds: How long the run took.
        """
        self._part.commit()
        return DownloadResult(
            directory=str(self._directory),
            document=str(document),
            report=str(self._path),
            downloaded=self._downloaded,
            skipped=self._skipped,
            failed=len(self.errors),
            bytes=self._bytes,
            seconds=round(seconds, 3),
        )

    def __enter__(self) -> Self:
        self._part = PartFile(self._path, self._directory, "report", wait=True)
        self._part.start(0, None, None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._part.__exit__(kind, error, trace)


class ItemsFile:
    """A JSON item collection that is written item by item, in the order of their numbers.

    Args:
        path: Where it goes.
        directory: The directory that it may not leave.
    """

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self._directory = directory
        self._early: dict[int, bytes] = {}
        self._next = 0

    def add(self, number: int, item: dict[str, Any]) -> None:
        """Writes an item, or keeps it until those before it have come.

        Args:
            number: Its place in the collection, from 0.
            item: Its document.
        """
        self._early[number] = json_bytes(item, indent=None)
        while self._next in self._early:
            comma = b",\n" if self._next else b"\n"
            self._part.write(comma + self._early.pop(self._next))
            self._next += 1

    def finish(self) -> None:
        """Gives the file its name."""
        self._part.write(b"\n]}\n")
        self._part.commit()

    def __enter__(self) -> Self:
        self._part = PartFile(self.path, self._directory, "document", wait=True)
        self._part.start(0, None, None)
        self._part.write(b'{"type": "FeatureCollection", "features": [')
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._part.__exit__(kind, error, trace)
