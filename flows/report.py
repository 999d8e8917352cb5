"""What a flow returns, and the report that it writes: where things are, how many, and how long."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pystac
from pydantic import BaseModel, ConfigDict

from stac_asset.files import write_document
from stac_asset.source import load_stac
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, outcome_row


class DownloadResult(BaseModel):
    """The result of a download flow: small, without item or secret, and JSON-able."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    directory: str
    """The directory that holds the files."""

    document: str
    """The rewritten STAC document."""

    report: str
    """The full report: newline-delimited JSON, a row an asset."""

    downloaded: int
    """How many assets were downloaded."""

    skipped: int
    """How many were there already."""

    failed: int
    """How many could not be downloaded."""

    bytes: int
    """Bytes of the files that were downloaded or skipped."""

    seconds: float
    """Wall time of the run."""

    @classmethod
    def of(
        cls,
        outcomes: Sequence[Outcome],
        directory: Path,
        document: Path,
        report: Path,
        seconds: float,
    ) -> DownloadResult:
        """Returns the result of a run.

        Args:
            outcomes: What became of its assets.
            directory: Where the files are.
            document: Where the rewritten document is.
            report: Where the report is.
            seconds: How long it took.
        """
        there = [found for found in outcomes if not isinstance(found, Failed)]
        return cls(
            directory=str(directory),
            document=str(document),
            report=str(report),
            downloaded=sum(isinstance(found, Downloaded) for found in outcomes),
            skipped=sum(isinstance(found, Skipped) for found in outcomes),
            failed=len(outcomes) - len(there),
            bytes=sum(found.size for found in there),
            seconds=round(seconds, 3),
        )

    def item(self) -> pystac.Item:
        """Returns the rewritten item, read from its document."""
        item = load_stac(Path(self.document))
        assert isinstance(item, pystac.Item), "an item's flow wrote it"
        return item

    def rows(self) -> list[dict[str, Any]]:
        """Returns the report: for each asset its state, href, path, bytes and seconds."""
        return [json.loads(line) for line in Path(self.report).read_text().splitlines()]


def report_path(document: Path) -> Path:
    """Returns where the report of a run stands: beside its document.

    Args:
        document: The rewritten STAC document.
    """
    return document.with_name(f"{document.stem}.report.ndjson")


def write_report(outcomes: Iterable[Outcome], path: Path) -> None:
    """Writes the report, a line an asset.

    Args:
        outcomes: What became of the assets.
        path: Where it goes.
    """
    lines = "".join(json.dumps(outcome_row(outcome)) + "\n" for outcome in outcomes)
    write_document(path, lines.encode(), path.parent)
