"""Prints a line on standard error for each asset of a run."""

from __future__ import annotations

import sys

import click
from rich.filesize import decimal

from stac_asset.cli.names import as_typed
from stac_asset.cli.output import printable
from stac_asset.destinations.location import Location
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import Candidate, Failed, Transfer


class AssetLines(Reporter):
    """Prints a line for each asset that was downloaded, was skipped, or failed.

    Args:
        has_bar: Whether a progress bar is on standard error, above which the lines are printed.
    """

    def __init__(self, has_bar: bool) -> None:
        self._has_bar = has_bar

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """Print the line of a downloaded asset."""
        size = f" ({decimal(transfer.size)})" if transfer.size is not None else ""
        self._print(f"downloaded: {_name(transfer)}{size}: {candidate.path}")

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """Print the line of an asset that already existed."""
        self._print(f"skipped: {_name(transfer)}: {candidate.path}")

    async def failed(self, transfer: Transfer, candidate: Candidate, error: Exception) -> None:
        """Print the line of an asset that failed."""
        self._print(f"failed: {error}")

    async def refused(self, failed: Failed, directory: Location) -> None:
        """Print the line of an asset that could not be planned."""
        self._print(f"failed: {failed.error}")

    def _print(self, line: str) -> None:
        text = printable(as_typed(line)).replace("\n", " ")
        if self._has_bar:
            from tqdm.std import tqdm  # Slow to import, and imported with the bar.

            tqdm.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)


def _name(transfer: Transfer) -> str:
    return f"asset '{transfer.key}' of {transfer.owner}"
