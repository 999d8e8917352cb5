"""A progress bar on standard error, for terminals and notebooks."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from rich.filesize import decimal
from tqdm.std import tqdm

from stac_asset.destinations.location import Location
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import Candidate, Failed, Transfer

if TYPE_CHECKING:
    _Base = tqdm[NoReturn]
else:
    _Base = tqdm


class _Bar(_Base):
    monitor_interval = 0  # Without a thread that outlives the download.


class ProgressBar(Reporter):
    """Shows the progress of transfers, and passes each step on to another reporter.

    The bar counts bytes if the size of every asset is known, and assets otherwise. Bytes that are
    received twice, or that belong to a failed file, do not count.

    Args:
        inner: The other reporter.
        transfers: The transfers of the run.
    """

    def __init__(self, inner: Reporter, transfers: Sequence[Transfer]) -> None:
        self._inner = inner
        self._assets = len(transfers)
        self._sizes = {transfer.path: transfer.size for transfer in transfers}
        self._counts: Counter[str] = Counter()
        self._written: dict[str, int] = {}
        self._bytes = 0
        sizes = [transfer.size for transfer in transfers if transfer.size is not None]
        self._counts_bytes = len(sizes) == len(transfers) > 0
        columns, lines = shutil.get_terminal_size()
        self._bar = _Bar(
            total=sum(sizes) if self._counts_bytes else self._assets,
            unit="B" if self._counts_bytes else " assets",
            unit_scale=self._counts_bytes,
            ncols=columns,
            nrows=lines,
        )
        self._show()

    def close(self) -> None:
        """End the line of the bar."""
        self._show()
        self._bar.refresh()
        self._bar.close()

    async def started(self, transfer: Transfer, candidate: Candidate) -> None:
        """Pass the step on."""
        await self._inner.started(transfer, candidate)

    async def opened(self, candidate: Candidate, size: int | None) -> None:
        """Pass the step on."""
        await self._inner.opened(candidate, size)

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Count bytes of a file that is being written."""
        self._inner.wrote(candidate, size)
        path = candidate.path
        before = self._written.get(path, 0)
        declared = self._sizes.get(path)
        after = before + size if declared is None else min(before + size, declared)
        self._written[path] = after
        self._add_bytes(after - before)

    def retried(self, candidate: Candidate, reason: str) -> None:
        """Count a retry."""
        self._inner.retried(candidate, reason)
        self._counts["retries"] += 1
        self._show()

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """Count a downloaded asset."""
        self._end(transfer, "downloaded")
        await self._inner.finished(transfer, candidate)

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """Count an asset that was there."""
        self._end(transfer, "skipped")
        await self._inner.skipped(transfer, candidate)

    async def failed(self, transfer: Transfer, candidate: Candidate, error: Exception) -> None:
        """Count a failed asset. Its bytes do not count."""
        for one in transfer.candidates:
            self._add_bytes(-self._written.pop(one.path, 0))
        if self._counts_bytes and self._bar.total is not None:
            self._bar.total -= transfer.size or 0
        self._end(transfer, "failed")
        await self._inner.failed(transfer, candidate, error)

    async def refused(self, failed: Failed, directory: Location) -> None:
        """Count an asset that could not be planned."""
        self._counts["failed"] += 1
        self._show()
        await self._inner.refused(failed, directory)

    def _end(self, transfer: Transfer, kind: str) -> None:
        self._counts[kind] += 1
        if kind != "failed" and transfer.size is not None:
            written = sum(self._written.pop(one.path, 0) for one in transfer.candidates)
            self._add_bytes(transfer.size - written)
        if not self._counts_bytes:
            self._bar.update(1)
        self._show()

    def _add_bytes(self, size: int) -> None:
        self._bytes += size
        if self._counts_bytes:
            self._bar.update(size)

    def _show(self) -> None:
        done = self._counts["downloaded"] + self._counts["skipped"]
        shown = [f"{done}/{self._assets} assets"] if self._counts_bytes else [decimal(self._bytes)]
        if failed := self._counts["failed"]:
            shown.append(f"{failed} failed")
        if retries := self._counts["retries"]:
            shown.append("1 retry" if retries == 1 else f"{retries} retries")
        self._bar.set_postfix_str(", ".join(shown), refresh=False)
