"""The result of a download flow: paths, counts, bytes and seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pystac
from pydantic import BaseModel, ConfigDict

from prefect_stac_asset.flows.reporting.stored_files import RunFilesAccess, local_copy
from stac_asset.display import Display, Shown
from stac_asset.errors import HrefError
from stac_asset.hrefs import absolute_href
from stac_asset.plan.summary import PlanSummary
from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import item_of, load_stac

_T = TypeVar("_T")

_MAX_NOTICES = 3
"""Maximum number of notices in the message of a state."""


class DownloadResult(Display, BaseModel):
    """The result of a download flow.

    The result is small, can be stored as JSON, and contains no STAC objects and no secrets.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    directory: str
    """Path of the directory with the files, or the URL of the prefix."""

    document: str
    """Path or URL of the rewritten STAC document.

    Not written if all assets failed, unless `error_strategy` is KEEP.
    """

    report: str
    """Path or URL of the full report: newline-delimited JSON with a row per asset."""

    downloaded: int
    """Number of downloaded assets."""

    skipped: int
    """Number of skipped assets, which already existed."""

    failed: int
    """Number of failed assets."""

    bytes: int
    """Total size of downloaded and skipped files, in bytes."""

    seconds: float
    """Wall time of the run, in seconds."""

    left_by_budget: int = 0
    """Number of items left for the next run, because a budget of a provider is reached."""

    notices: list[str] = []
    """Conditions of the run that are no failures, such as skipped assets. One line each."""

    dry_run: bool = False
    """Whether the run was a dry run, which downloads nothing."""

    plan: PlanSummary | None = None
    """The plan of a dry run: items and assets by reason, bytes, requests, duration and cost."""

    store: RunFilesAccess | None = None
    """How the methods read the document and the report from an object store. Has no secret."""

    def message(self, text: str) -> str:
        """Return a text for the message of a state, followed by the first notices.

        Args:
            text: The text.
        """
        return ". ".join([text, *self.notices[:_MAX_NOTICES]])

    def summary(self) -> str:
        """Return the counts as a phrase."""
        text = f"{self.downloaded} downloaded, {self.skipped} skipped, {self.failed} failed"
        if not self.downloaded + self.skipped + self.failed:
            text = "no assets to download"
        if self.left_by_budget:
            text += f", {self.left_by_budget:,} items left because of a budget"
        return text

    def _shown(self) -> Shown:
        facts = {
            "directory": self.directory,
            "document": self.document,
            "report": self.report,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "plan": self.plan and str(self.plan),
            "notices": "; ".join(self.notices),
        }
        return Shown(self.summary(), facts)

    def item(self) -> pystac.Item:
        """Read the rewritten item.

        Raises:
            TypeError: The document is not an item.
        """
        return self._loaded(pystac.Item)

    def collection(self) -> pystac.Collection:
        """Read the rewritten collection.

        Raises:
            TypeError: The document is not a collection.
        """
        return self._loaded(pystac.Collection)

    def items(self) -> Iterator[pystac.Item]:
        """Read the rewritten items of an item collection lazily.

        The hrefs of the assets are absolute: paths or URLs of downloaded files, and URLs of other
        assets.
        """
        with local_copy(self.document, self.store) as path:
            for document in read_items(path, self.document):
                item = item_of(document, self.document)
                for asset in item.assets.values():
                    with suppress(HrefError):  # An asset without a usable href is unchanged.
                        asset.href = absolute_href(asset.href, self.document)
                yield item

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the rows of the report, such as state, href, path and bytes of each asset."""
        with local_copy(self.report, self.store) as path, path.open() as file:
            for line in file:
                yield json.loads(line)

    def _loaded(self, kind: type[_T]) -> _T:
        with local_copy(self.document, self.store) as path:
            stac = load_stac(path, self.document if self.store is not None else None)
        if not isinstance(stac, kind):
            raise TypeError(
                f"'{self.document}' is a STAC {type(stac).__name__}, not a STAC {kind.__name__}. "
                "Use the method of the result for that type."
            )
        return stac


def report_path(document: Path) -> Path:
    """Return the path of a run's report, in the folder of the rewritten document.

    Args:
        document: The path of the rewritten STAC document.
    """
    return document.with_name(f"{document.stem}.report.ndjson")
