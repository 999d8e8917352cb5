"""Internal: the artifact that answers whether a mirror is complete, and a line for the log.

A mirror is complete if it has all items of the source that match the search, with all assets.
"""

from __future__ import annotations

from prefect.artifacts import MarkdownArtifact
from prefect.client.orchestration import PrefectClient

from prefect_stac_asset.flows.mirror.result import SyncResult
from prefect_stac_asset.flows.reporting.markdown import plain, table

MIRROR = "stac-asset-mirror"
"""The key of the artifact."""


def headline(result: SyncResult) -> str:
    """Return the completeness of the mirror as a phrase.

    Args:
        result: The result of the run.
    """
    if result.complete:
        return "The mirror is complete"
    return f"The mirror is not complete: {', '.join(result.incomplete)}"


def answer(result: SyncResult, picture: str | None = None) -> str:
    """Return the answer as markdown.

    Args:
        result: The result of the run.
        picture: The section with the picture of new items, if any.
    """
    rows = [
        ("Items of the source that match the search", f"{result.found:,}"),
        ("Items that failed", f"{result.failed_items:,}"),
        ("Assets that failed", f"{result.failed:,}"),
        ("Items left for the next run", f"{result.left + result.left_by_budget:,}"),
        ("Items that left the source", f"{result.removed:,}"),
    ]
    title = "complete" if result.complete else "not complete"
    parts = [f"# The mirror is {title}"]
    parts += ["\n".join(f"- {plain(reason)}" for reason in result.incomplete)] * bool(
        result.incomplete
    )
    parts += [table(("", ""), rows), f"Directory: {plain(result.directory)}"]
    if picture is not None:
        parts.append(picture)
    return "\n\n".join(parts) + "\n"


async def write_answer(
    client: PrefectClient | None, result: SyncResult, picture: str | None = None
) -> None:
    """Write the artifact.

    Args:
        client: The client of Prefect's API, or None for a new one.
        result: The result of the run.
        picture: The section with the picture of new items, if any.
    """
    text = answer(result, picture)
    artifact = MarkdownArtifact(key=MIRROR, description=headline(result), markdown=text)
    await artifact.acreate(client)
