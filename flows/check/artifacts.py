"""The artifacts of a check of assets: a summary, and a table of what is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.client.orchestration import get_client

from prefect_stac_asset.flows.check.result import CheckResult
from prefect_stac_asset.flows.reporting.artifacts import log_failure, write_failures, write_summary
from prefect_stac_asset.flows.reporting.markdown import link, reasons, size, table
from prefect_stac_asset.flows.tasks.check_outcomes import Checked
from stac_asset.errors import NotFoundError, StacAssetError
from stac_asset.redact import redact_text


@asynccontextmanager
async def artifacts_written(result: CheckResult, total: int) -> AsyncIterator[None]:
    """Writes what has been found in the end, also where an error ends the check.

    Args:
        result: What has been found.
        total: How many assets are asked for.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, StacAssetError) and error.key is not None:
            # With `fail_fast`, the asset whose error this is was never counted.
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
    phrase = f"{result.exist:,} of {max(total, result.total):,} assets exist"
    parts = [f"# {phrase}", table(("", ""), _facts(result))]
    if error is not None:
        reason = "An error ended the check before its end."
        parts.insert(1, reason)
    parts += reasons([row["error"] for row in rows], count, "the table")
    async with get_client() as client:
        await write_summary(client, phrase, "\n\n".join(parts) + "\n")
        await write_failures(client, rows, count)


def _facts(result: CheckResult) -> list[tuple[str, str]]:
    facts = [
        ("Assets that exist", f"{result.exist:,}"),
        ("Assets that do not", f"{result.missing:,}"),
        ("Assets of which nobody can tell", f"{result.unknown:,}"),
        ("Size of those that exist", size(result.bytes)),
        ("Assets whose size is not known", f"{result.unknown_sizes:,}"),
        ("Time", f"{result.seconds:,.1f} s"),
    ]
    if result.report is not None:
        facts.append(("Report", link(result.report)))
    return facts
