"""What a flow returns: where things are, how many, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pystac
from pydantic import BaseModel, ConfigDict

from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import item_of, load_stac

_T = TypeVar("_T")


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

    def summary(self) -> str:
        """Returns the counts as a phrase."""
        return f"{self.downloaded} downloaded, {self.skipped} skipped, {self.failed} failed"

    def item(self) -> pystac.Item:
        """Returns the rewritten item, read from its document.

        Raises:
            TypeError: The run was not of an item.
        """
        return _loaded(self.document, pystac.Item)

    def collection(self) -> pystac.Collection:
        """Returns the rewritten collection, read from its document.

        Raises:
            TypeError: The run was not of a collection.
        """
        return _loaded(self.document, pystac.Collection)

    def items(self) -> Iterator[pystac.Item]:
        """Yields the rewritten items of an item collection, without holding them."""
        for document in read_items(Path(self.document), self.document):
            yield item_of(document, self.document)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields the report: for each asset its state, href, path, bytes and seconds."""
        with Path(self.report).open() as file:
            for line in file:
                yield json.loads(line)


def report_path(document: Path) -> Path:
    """Returns where the report of a run stands: beside its document.

    Args:
        document: The rewritten STAC document.
    """
    return document.with_name(f"{document.stem}.report.ndjson")


def _loaded(document: str, kind: type[_T]) -> _T:
    stac = load_stac(Path(document))
    if not isinstance(stac, kind):
        raise TypeError(f"{document} is a STAC {type(stac).__name__}, not a {kind.__name__}")
    return stac
