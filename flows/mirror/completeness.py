"""Completeness of a mirror: the reasons for gaps, and the artifact with the answer.

A mirror is complete if it has all items of the source that match the search, with all assets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prefect.artifacts import MarkdownArtifact
from prefect.client.orchestration import PrefectClient

from prefect_stac_asset.flows.reporting.markdown import plain, table

if TYPE_CHECKING:
    from prefect_stac_asset.flows.mirror.result import SyncResult

MIRROR = "stac-asset-mirror"
"""The key of the artifact."""


def incomplete_reasons(
    *,
    is_search_complete: bool,
    failed: int,
    left: int,
    too_large: int,
    left_by_budget: int,
    without_id: int,
    planned: int,
) -> Iterator[str]:
    """Yield the reasons why a mirror is not complete, as phrases.

    Args:
        is_search_complete: Whether the source returned all matching items.
        failed: Number of items that failed, and of documents that cannot be read.
        left: Number of items left for the next run, including those of `too_large`.
        too_large: Number of items that are larger than `max_bytes`.
        left_by_budget: Number of items left because of a budget.
        without_id: Number of items of the source without a valid id.
        planned: Number of items that a dry run would download.
    """
    if not is_search_complete:
        yield "the source did not return all matching items"
    for count, singular, plural in (
        (planned, "item is not downloaded yet", "items are not downloaded yet"),
        (failed, "item failed", "items failed"),
        (left - too_large, "item is left for the next run", "items are left for the next run"),
        (too_large, "item is larger than `max_bytes`", "items are larger than `max_bytes`"),
        (left_by_budget, "item is left by a budget", "items are left by a budget"),
        (without_id, "item has no valid id", "items have no valid id"),
    ):
        if count:
            yield f"{count:,} {singular if count == 1 else plural}"


def headline(result: SyncResult) -> str:
    """Return the completeness of the mirror as a phrase.

    Args:
        result: The result of the run.
    """
    if result.complete:
        return "The mirror is complete"
    return f"The mirror is not complete: {', '.join(result.incomplete)}"


def answer(result: SyncResult) -> str:
    """Return the answer as markdown.

    Args:
        result: The result of the run.
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
    return "\n\n".join(parts) + "\n"


async def write_answer(client: PrefectClient | None, result: SyncResult) -> None:
    """Write the artifact.

    Args:
        client: The client of Prefect's API, or None for a new one.
        result: The result of the run.
    """
    artifact = MarkdownArtifact(key=MIRROR, description=headline(result), markdown=answer(result))
    await artifact.acreate(client)
