"""Facts of the report of the earlier run in a directory."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stac_asset.api.earlier_report import (
    EarlierRun,
    earlier_run,
    read_earlier_run,
)
from stac_asset.destinations.local import LocalDestination
from stac_asset.plan.summary import Speed

ROWS = [
    {"state": "downloaded", "owner": "item 'a'", "key": "x", "received": 100, "seconds": 2.0},
    {"state": "downloaded", "owner": "item 'a'", "key": "y", "received": 50, "seconds": 1.0},
    {"state": "skipped", "owner": "item 'a'", "key": "z", "bytes": 7},
    {"state": "failed", "owner": "item 'b'", "key": "x", "received": 9, "seconds": 1.0},
]


def lines(*rows: object) -> list[bytes]:
    """Return rows as lines of a report."""
    return [json.dumps(row).encode() for row in rows]


def test_report_has_failed_assets_and_speed() -> None:
    assert earlier_run(lines(*ROWS)) == EarlierRun(
        frozenset({("item 'b'", "x")}), Speed(bytes=150, seconds=3.0, files=2)
    )
    assert earlier_run(lines(*ROWS[2:])).speed is None


def test_lines_that_are_no_rows_are_left_out() -> None:
    damaged: list[object] = [[], 5, None, "x", {}, {"state": "failed"}, {"state": "downloaded"}]
    damaged += [ROWS[0] | {"received": -1}, ROWS[0] | {"seconds": float("inf")}]
    damaged += [ROWS[0] | {"received": "many"}, ROWS[0] | {"seconds": None}]
    assert earlier_run([*lines(*damaged), b"\xff{", b'{"state": "failed"']) == EarlierRun()


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_file_is_accepted(found: list[bytes]) -> None:
    assert earlier_run(found).speed is None


async def test_missing_report_has_no_facts(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    assert await read_earlier_run(tmp_path / "x.report.ndjson", destination) == EarlierRun()
    (tmp_path / "x.report.ndjson").write_bytes(b"\n".join(lines(*ROWS)))
    found = await read_earlier_run(tmp_path / "x.report.ndjson", destination)
    assert found.failed == {("item 'b'", "x")}
