"""The artifacts of a run: its progress while it goes on, then a summary and a table of failures.

There are three at most, however large the run is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    MarkdownArtifact,
    ProgressArtifact,
    TableArtifact,
    aupdate_progress_artifact,
)
from prefect.client.orchestration import PrefectClient
from rich.filesize import decimal

from prefect_stac_asset.flows.reporting.markdown import link, plain, reasons, size, table
from prefect_stac_asset.flows.reporting.pictures import pictures
from prefect_stac_asset.flows.reporting.result import DownloadResult
from prefect_stac_asset.flows.reporting.statistics import AssetRow, Statistics

PROGRESS = "stac-asset-progress"
SUMMARY = "stac-asset-summary"
FAILURES = "stac-asset-failures"

EVERY = 1.0
"""Seconds between two updates of the progress."""


class Progress:
    """The live progress of a run.

    Args:
        client: Prefect's.
        statistics: What is known of the run.
    """

    def __init__(self, client: PrefectClient, statistics: Statistics) -> None:
        self._client = client
        self._statistics = statistics
        self._id: UUID | None = None
        self._last: tuple[float, str] | None = None
        self._stop = asyncio.Event()

    async def follow(self) -> None:
        """Keeps the artifact up to date, until it is told to stop."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._stop.wait()
            if self._stop.is_set():
                return
            await self.update()

    def stop(self) -> None:
        """Lets `follow` end: not in the middle of an update, which could then come last."""
        self._stop.set()

    async def update(self) -> None:
        """Writes how far the run is, if that is news."""
        now = progress(self._statistics)
        if now == self._last:
            return
        percent, text = self._last = now
        if self._id is None:
            artifact = ProgressArtifact(key=PROGRESS, description=text, progress=percent)
            self._id = (await artifact.acreate(self._client)).id
        else:
            await aupdate_progress_artifact(self._id, percent, text, self._client)


def progress(statistics: Statistics) -> tuple[float, str]:
    """Returns how far a run is, in percent, and in words.

    The percentage is that of the bytes where the size of every asset is known, else of the assets.

    Args:
        statistics: What is known of the run.
    """
    done, total = statistics.done, statistics.total
    size, total_size = statistics.done_bytes, statistics.total_bytes
    part = size / total_size if total_size else done / total if total else 1.0
    if done >= total:
        part = 1.0
    text = f"{done:,} of {total:,} assets, {decimal(size)}"
    if total_size:
        text += f" of {decimal(total_size)}"
    if statistics.failed:
        text += f", {statistics.failed:,} failed"
    return round(100 * min(1.0, part), 1), text


async def write_artifacts(
    client: PrefectClient, statistics: Statistics, result: DownloadResult | None
) -> None:
    """Writes the summary, and the table of failures if there are any.

    Args:
        client: Prefect's.
        statistics: What is known of the run.
        result: What it returns; None where an error ended it, which leaves no time for pictures.
    """
    drawn = await _drawn(statistics) if result is not None else []
    await write_summary(client, _phrase(statistics), summary(statistics, result, drawn))
    await write_failures(client, statistics.failures, statistics.failed)


async def write_summary(client: PrefectClient, phrase: str, text: str) -> None:
    """Writes a summary.

    Args:
        client: Prefect's.
        phrase: What it comes to.
        text: The summary, in markdown.
    """
    await MarkdownArtifact(key=SUMMARY, description=phrase, markdown=text).acreate(client)


async def write_failures(
    client: PrefectClient, rows: Sequence[Mapping[str, str]], count: int
) -> None:
    """Writes the table of assets that failed, if there are any.

    Args:
        client: Prefect's.
        rows: The first of them.
        count: How many there are.
    """
    if not rows:
        return
    shown = f"The first {len(rows)} of {count:,} assets that failed"
    await TableArtifact(
        key=FAILURES,
        description="Assets that failed" if count <= len(rows) else shown,
        table=[dict(row) for row in rows],
    ).acreate(client)


async def log_failure(call: Awaitable[None]) -> None:
    """Awaits what tells Prefect of a run, and logs why it could not: that fails no run.

    Args:
        call: What to await.
    """
    try:
        await call
    except Exception as error:
        get_run_logger().warning("an artifact could not be written: %s", error)


async def _drawn(statistics: Statistics) -> list[tuple[str, str]]:
    try:
        return await asyncio.to_thread(pictures, statistics)
    except Exception as error:
        get_run_logger().warning("the summary has no pictures: %s", error)
        return []


def summary(
    statistics: Statistics, result: DownloadResult | None, drawn: Iterable[tuple[str, str]] = ()
) -> str:
    """Returns the summary of a run as markdown.

    Args:
        statistics: What is known of the run.
        result: What it returns; None where an error ended it.
        drawn: Titles and data URLs of pictures.
    """
    seconds = result.seconds if result is not None else statistics.seconds
    rate = statistics.received / seconds if seconds else 0
    rows = [
        ("Items", f"{statistics.items:,}"),
        ("Assets downloaded", f"{statistics.downloaded:,}"),
        ("Assets that were there already", f"{statistics.skipped:,}"),
        ("Assets that failed", f"{statistics.failed:,}"),
        ("Assets that were retried", f"{statistics.retried:,}"),
        ("Size of the files", size(statistics.done_bytes if result is None else result.bytes)),
        ("Received", size(statistics.received)),
        ("Time", f"{seconds:,.1f} s"),
        ("Throughput", f"{decimal(int(rate))}/s"),
    ]
    if result is not None:
        rows += [("Document", link(result.document)), ("Report", link(result.report))]
    parts = [f"# {_phrase(statistics)}", table(("", ""), rows)]
    if result is None:
        parts.insert(1, "An error ended the run before its end; no document was written.")
    errors = [row["error"] for row in statistics.failures]
    parts += reasons(errors, statistics.failed, "the table and the report")
    parts += [f"## {title}\n\n![{title}]({url})" for title, url in drawn]
    if statistics.slowest:
        parts += ["## Slowest assets", _assets(statistics.slowest)]
    if statistics.most_retried:
        parts += ["## Most retried assets", _assets(statistics.most_retried)]
    return "\n\n".join(parts) + "\n"


def _phrase(statistics: Statistics) -> str:
    there = statistics.downloaded + statistics.skipped
    return f"{there:,} of {max(there, statistics.total):,} assets are there"


def _assets(rows: Sequence[AssetRow]) -> str:
    return table(
        ("Asset", "Seconds", "Attempts", "Size"),
        [
            (plain(row.name), f"{row.seconds:.1f}", f"{row.attempts}", decimal(row.size))
            for row in rows
        ],
    )
