"""The artifact and the event of the flow `audit`."""

from __future__ import annotations

from prefect.artifacts import TableArtifact
from prefect.runtime import flow_run

from prefect_stac_asset.flows.auditing.result import AuditResult
from prefect_stac_asset.flows.execution.event_names import AUDIT_COMPLETED
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.reporting.artifacts import log_failure
from prefect_stac_asset.flows.reporting.events import open_events
from stac_asset.audit.differences import Kind

AUDIT = "stac-asset-audit"
"""The key of the artifact with the differences."""


def counts_of(result: AuditResult) -> dict[str, int]:
    """Return the number of differences of each kind.

    Args:
        result: The result of the audit.
    """
    return {kind.value: getattr(result, kind.value) for kind in Kind}


async def report_result(result: AuditResult, summary: str, options: DownloadOptions) -> None:
    """Write the table of differences, and send the event of the audit.

    Args:
        result: The result of the audit.
        summary: The summary of the audit, as the description of the artifact.
        options: The options of the flow.
    """
    await log_failure(_write_table(result, summary))
    async with open_events(str(flow_run.id), options) as events:
        resource = {
            "prefect.resource.id": f"stac-asset.run.{flow_run.id}",
            "stac-asset.complete": str(result.complete).lower(),
        }
        await events.put(AUDIT_COMPLETED, resource, result.model_dump(mode="json"))


async def _write_table(result: AuditResult, summary: str) -> None:
    answer = "The mirror is complete" if result.complete else "The mirror is not complete"
    count = sum(counts_of(result).values())
    shown = len(result.first)
    note = f" The table has the first {shown:,} of {count:,} differences." if count > shown else ""
    rows = result.first or [{"state": "no differences"}]
    artifact = TableArtifact(key=AUDIT, description=f"{answer}: {summary}.{note}", table=rows)
    await artifact.acreate()
