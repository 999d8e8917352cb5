"""Internal: the reasons why a mirror is not complete."""

from __future__ import annotations

from collections.abc import Iterator


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
