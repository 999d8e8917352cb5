"""The artifact of a plan: a table of items, with the totals as description."""

from __future__ import annotations

from prefect.artifacts import TableArtifact

from stac_asset.plan.summary import PlanSummary

PLAN = "stac-asset-plan"
"""The key of the artifact."""


async def write_plan(plan: PlanSummary, summary: str = "") -> None:
    """Write a plan as an artifact of the flow run.

    Args:
        plan: The plan.
        summary: A sentence to put before the totals.
    """
    await TableArtifact(
        key=PLAN, description=description(plan, summary), table=table(plan)
    ).acreate()


def table(plan: PlanSummary) -> list[dict[str, object]]:
    """Return the rows of the table.

    Args:
        plan: The plan.
    """
    rows: list[dict[str, object]] = [
        {
            "collection": row.collection or "",
            "item": row.id,
            "reason": row.reason,
            "assets": row.assets,
            "bytes": row.bytes,
        }
        for row in plan.rows
    ]
    return rows or [{"item": "", "reason": "no changes"}]


def description(plan: PlanSummary, summary: str = "") -> str:
    """Return the totals of a plan as the description of an artifact or of a pause.

    Args:
        plan: The plan.
        summary: A sentence to put before the totals.
    """
    parts = [summary] if summary else []
    parts.append(str(plan))
    if plan.changes > len(plan.rows):
        parts.append(f"The table has the first {len(plan.rows):,} of {plan.changes:,} items")
    return ". ".join(parts) + "."
