"""Prefect artifacts of a run: live progress, then a summary and a table of failed assets.

A run has at most three artifacts, regardless of the number of assets. `reporting.monitor` and
the flow `check_assets` write them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
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

from prefect_stac_asset.flows.reporting.markdown import failed_section, link, plain, size, table
from prefect_stac_asset.flows.reporting.pictures import pictures
from prefect_stac_asset.flows.reporting.result import DownloadResult
from prefect_stac_asset.flows.reporting.statistics import AssetRow, Statistics

PROGRESS = "stac-asset-progress"
SUMMARY = "stac-asset-summary"
FAILURES = "stac-asset-failures"

_UPDATE_INTERVAL = 1.0
"""Seconds between two updates of the progress artifact."""


class Progress:
    """The progress artifact of a run.

    Args:
        client: The client of Prefect's API.
        read: Returns the progress in percent and as text.
    """

    def __init__(self, client: PrefectClient, read: Callable[[], tuple[float, str]]) -> None:
        self._client = client
        self._read = read
        self._id: UUID | None = None
        self._last: tuple[float, str] | None = None
        self._stop = asyncio.Event()

    async def follow(self) -> None:
        """Update the artifact every second until `stop` is called."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_UPDATE_INTERVAL):
                    await self._stop.wait()
            if self._stop.is_set():
                return
            await self.update()

    def stop(self) -> None:
        """Let `follow` return after the current update.

        The server could process an interrupted update after the final one.
        """
        self._stop.set()

    async def update(self) -> None:
        """Create or update the artifact if the progress changed."""
        now = self._read()
        if now == self._last:
            return
        percent, text = self._last = now
        if self._id is None:
            artifact = ProgressArtifact(key=PROGRESS, description=text, progress=percent)
            self._id = (await artifact.acreate(self._client)).id
        else:
            await aupdate_progress_artifact(self._id, percent, text, self._client)


def progress(statistics: Statistics) -> tuple[float, str]:
    """Return the progress of a run as a percentage and as text.

    The percentage counts bytes if the size of every asset is known, and assets otherwise.

    Args:
        statistics: The statistics of the run.
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
    """Write the summary, and the table of failed assets if any asset failed.

    Args:
        client: The client of Prefect's API.
        statistics: The statistics of the run.
        result: The result of the run, or None if an error ended the run. The summary then has no
            pictures, because drawing them takes too long.
    """
    images = await _draw_pictures(statistics) if result is not None else []
    await write_summary(client, _headline(statistics), summary(statistics, result, images))
    await write_failures(client, statistics.failures, statistics.failed)


async def write_summary(client: PrefectClient, headline: str, text: str) -> None:
    """Write the summary artifact.

    Args:
        client: The client of Prefect's API.
        headline: The summary in one phrase, as the artifact's description.
        text: The summary in markdown.
    """
    await MarkdownArtifact(key=SUMMARY, description=headline, markdown=text).acreate(client)


async def write_failures(
    client: PrefectClient, rows: Sequence[Mapping[str, str]], count: int
) -> None:
    """Write the table of failed assets if any asset failed.

    Args:
        client: The client of Prefect's API.
        rows: The first failed assets.
        count: The number of failed assets.
    """
    if not rows:
        return
    await TableArtifact(
        key=FAILURES,
        description=(
            "Failed assets"
            if count <= len(rows)
            else f"The first {len(rows)} of {count:,} failed assets"
        ),
        table=[dict(row) for row in rows],
    ).acreate(client)


async def log_failure(call: Awaitable[None]) -> None:
    """Await a call that writes an artifact, and log an error instead of raising.

    Args:
        call: The awaitable that writes the artifact.
    """
    try:
        await call
    except Exception as error:
        get_run_logger().warning("Writing an artifact failed: %s", error)


async def _draw_pictures(statistics: Statistics) -> list[tuple[str, str]]:
    try:
        return await asyncio.to_thread(pictures, statistics)
    except Exception as error:
        get_run_logger().warning("Drawing the pictures of the summary failed: %s", error)
        return []


def summary(
    statistics: Statistics, result: DownloadResult | None, images: Iterable[tuple[str, str]] = ()
) -> str:
    """Return the summary of a run as markdown.

    Args:
        statistics: The statistics of the run.
        result: The result of the run, or None if an error ended the run.
        images: Titles and data URLs of the pictures.
    """
    seconds = result.seconds if result is not None else statistics.seconds
    rate = statistics.received / seconds if seconds else 0
    rows = [
        ("Items", f"{statistics.items:,}"),
        ("Assets downloaded", f"{statistics.downloaded:,}"),
        ("Assets already present", f"{statistics.skipped:,}"),
        ("Assets failed", f"{statistics.failed:,}"),
        ("Assets retried", f"{statistics.retried:,}"),
        (
            "Size of the files (downloaded and already present)",
            size(statistics.done_bytes if result is None else result.bytes),
        ),
        ("Received over the network", size(statistics.received)),
        ("Time", f"{seconds:,.1f} s"),
        ("Throughput", f"{decimal(int(rate))}/s"),
    ]
    if result is not None and result.left_by_budget:
        rows.append(("Items left because of a budget", f"{result.left_by_budget:,}"))
    if result is not None:
        rows += [("Document", link(result.document)), ("Report", link(result.report))]
    parts = [f"# {_headline(statistics)}", table(("", ""), rows)]
    if result is None:
        parts.insert(1, "An error ended the run early. No report was written.")
    errors = [row["error"] for row in statistics.failures]
    elsewhere = "the table of failed assets"
    if result is not None:
        elsewhere += " and the report"
    parts += failed_section(errors, statistics.failed, elsewhere)
    if result is not None and result.notices:
        parts.append("## Notices\n\n" + "\n".join(f"- {plain(line)}" for line in result.notices))
    parts += [f"## {title}\n\n![{title}]({url})" for title, url in images]
    if statistics.slowest:
        parts += ["## Slowest assets", _assets(statistics.slowest)]
    if statistics.most_retried:
        parts += ["## Most retried assets", _assets(statistics.most_retried)]
    return "\n\n".join(parts) + "\n"


def _headline(statistics: Statistics) -> str:
    present = statistics.downloaded + statistics.skipped
    if not max(present, statistics.total):
        return "No assets to download"
    text = f"{present:,} of {max(present, statistics.total):,} assets downloaded"
    return f"{text} ({statistics.skipped:,} already present)" if statistics.skipped else text


def _assets(rows: Sequence[AssetRow]) -> str:
    return table(
        ("Asset", "Seconds", "Attempts", "Size"),
        [
            (plain(row.name), f"{row.seconds:.1f}", f"{row.attempts}", decimal(row.size))
            for row in rows
        ],
    )
