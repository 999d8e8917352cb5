"""The answer to the question whether a mirror is complete."""

from __future__ import annotations

from typing import Any

from prefect_stac_asset.flows import SyncResult
from prefect_stac_asset.flows.mirror.completeness import answer, headline
from stac_asset.mirror.completeness import incomplete_reasons

COMPLETE: dict[str, Any] = {
    "is_search_complete": True,
    "failed": 0,
    "left": 0,
    "too_large": 0,
    "left_by_budget": 0,
    "without_id": 0,
    "planned": 0,
}


def reasons(**facts: Any) -> list[str]:
    return list(incomplete_reasons(**COMPLETE | facts))


def result(incomplete: list[str]) -> SyncResult:
    counts = ("downloaded", "skipped", "failed", "bytes", "seconds", "found", "new", "changed")
    items = ("again", "unchanged", "failed_items", "left", "removed")
    return SyncResult(
        directory="/data/m_1",
        document="/data/m_1/catalog.json",
        report="/data/m_1/sync.report.ndjson",
        complete=not incomplete,
        incomplete=incomplete,
        dry_run=False,
        **dict.fromkeys((*counts, *items), 0),  # type: ignore[arg-type]
    )


def test_each_gap_of_a_mirror_is_a_reason() -> None:
    assert reasons() == []
    assert reasons(failed=1) == ["1 item failed"]
    assert reasons(is_search_complete=False) == ["the source did not return all matching items"]
    assert reasons(left=1200, too_large=200) == [
        "1,000 items are left for the next run",
        "200 items are larger than `max_bytes`",
    ]
    assert reasons(left_by_budget=1) == ["1 item is left by a budget"]
    assert reasons(without_id=2) == ["2 items have no valid id"]
    assert reasons(planned=3) == ["3 items are not downloaded yet"]


def test_answer_names_the_reasons() -> None:
    assert headline(result([])) == "The mirror is complete"
    assert answer(result([])).startswith("# The mirror is complete\n\n|")
    partial = result(["1 item failed", "2 items are left for the next run"])
    assert headline(partial) == (
        "The mirror is not complete: 1 item failed, 2 items are left for the next run"
    )
    assert answer(partial).startswith(
        "# The mirror is not complete\n\n- 1 item failed\n- 2 items are left for the next run\n\n|"
    )
