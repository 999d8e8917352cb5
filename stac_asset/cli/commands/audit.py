"""The command `stac-asset audit`. `stac_asset.cli.arguments.mirrors` parses the arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from stac_asset.audit import AuditSummary, Criteria, audit_mirror
from stac_asset.audit.report import open_report
from stac_asset.cli.output import print_json, print_problem
from stac_asset.config import Config
from stac_asset.destinations.directories import directory_path
from stac_asset.mirror.output.removal import OnRemoved


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """The options of the command that are no fields of `Config`."""

    report: str | None = None
    read_files: bool = False
    repair: bool = False
    on_removed: OnRemoved = "keep"
    limit: int = 1
    as_json: bool = False


async def audit(
    source: str,
    directory: str,
    search: Mapping[str, Any],
    config: Config,
    options: AuditOptions,
) -> int:
    """Compare a mirror with the source, optionally repair the differences, and print the result.

    Args:
        source: Href of the source.
        directory: The directory of the mirror, or the URL of a prefix.
        search: The fields of the search of the mirror.
        config: The configuration of the mirror.
        options: The other options.

    Returns:
        1 if there are differences or the source is incomplete, else 0. Always 0 with `Config.warn`.

    Raises:
        StacAssetError: The source cannot be read, or the directory is no mirror.
    """
    report = directory_path(options.report, "report") if options.report is not None else None
    with open_report(report) as write_row:
        summary = await audit_mirror(
            source,
            directory,
            Criteria(**search),
            config,
            read_files=options.read_files,
            repair=options.repair,
            on_removed=options.on_removed,
            on_row=write_row,
            report=report,
            max_concurrent_downloads=options.limit,
        )
    if options.as_json:
        print_json(_result_row(summary))
    else:
        click.echo(summary)
    if summary.error is None:
        return 0
    print_problem(str(summary.error), is_error=not config.warn)
    return 0 if config.warn else 1


def _result_row(summary: AuditSummary) -> dict[str, Any]:
    return {
        "complete": summary.complete,
        "found": summary.found,
        "mirrored": summary.mirrored,
        "unchanged": summary.unchanged,
        "undecided": summary.undecided,
        "source_complete": summary.is_source_complete,
        "source_errors": summary.source_errors,
        "counts": {kind.value: count for kind, count in summary.counts.items()},
        "repaired": summary.repaired,
        "differences": summary.first,
    }
