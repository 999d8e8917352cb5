"""Artifacts of the flow `check_assets`: a summary and a table of missing assets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.client.orchestration import get_client

from prefect_stac_asset.flows.check.result import CheckResult
from prefect_stac_asset.flows.reporting.artifacts import log_failure, write_failures, write_summary
from prefect_stac_asset.flows.reporting.markdown import failed_section, link, size, table
from prefect_stac_asset.flows.tasks.check_outcomes import Checked
from stac_asset.errors import NotFoundError, StacAssetError
from stac_asset.redact import redact_text


@asynccontextmanager
async def artifacts_written(result: CheckResult, total: int) -> AsyncIterator[None]:
    """Write the artifacts when the context ends, even if an error ended the check.

    Args:
        result: The result so far.
        total: The number of assets to check.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, StacAssetError) and error.key is not None:
            # With `fail_fast`, the failed asset has not been counted yet.
            exists = False if isinstance(error, NotFoundError) else None
            result.add(Checked(error.owner or "", error.key, None, exists, error=error))
        await log_failure(_write(result, total, error))
        raise
    await log_failure(_write(result, total, None))


async def _write(result: CheckResult, total: int, error: Exception | None) -> None:
    rows = [
        {
            "owner": str(row["owner"]),
            "key": str(row["key"]),
            "href": str(row["href"] or ""),
            "error": redact_text(str(row["error"]))[:1000],
        }
        for row in result.first_missing
    ]
    count = result.missing + result.unknown
    total = max(total, result.total)
    phrase = f"{result.exist:,} of {total:,} assets exist" if total else "No assets to check"
    parts = [f"# {phrase}", table(("", ""), _facts(result))]
    if error is not None:
        parts.insert(1, "An error ended the check early.")
    parts += failed_section([row["error"] for row in rows], count, "the table of missing assets")
    async with get_client() as client:
        await write_summary(client, phrase, "\n\n".join(parts) + "\n")
        await write_failures(client, rows, count)


def _facts(result: CheckResult) -> list[tuple[str, str]]:
    facts = [
        ("Assets found", f"{result.exist:,}"),
        ("Assets missing", f"{result.missing:,}"),
        ("Assets that could not be checked", f"{result.unknown:,}"),
        ("Total size of the assets found", size(result.bytes)),
        ("Assets of unknown size", f"{result.unknown_sizes:,}"),
        ("Time", f"{result.seconds:,.1f} s"),
    ]
    if result.report is not None:
        facts.append(("Report", link(result.report)))
    return facts
