"""Reports of the activity of a run, and of a disk that is nearly full."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.event_names import NEARLY_FULL, RUN_PROGRESS
from prefect_stac_asset.flows.monitoring.activity import (
    Activity,
    Space,
    nearly_full_event,
)
from prefect_stac_asset.flows.monitoring.failing_items import (
    FAILED_RUNS,
    FailingItems,
    failing_events,
)
from prefect_stac_asset.flows.reporting.events import Events
from prefect_stac_asset.flows.reporting.statistics import Statistics
from stac_asset.destinations.location import StorePath
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.failures import read_failures
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.notices import collect_notices
from tests.support.processes import wait_until


class RecordedEvents(Events):
    """Events that are kept in a list in place of a server."""

    def __init__(self) -> None:
        super().__init__("a-run", DownloadOptions())
        self.sent: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    async def put(
        self,
        name: str,
        resource: dict[str, str],
        payload: dict[str, Any],
        related: Sequence[dict[str, str]] = (),
    ) -> None:
        self.sent.append((name, resource, payload))

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.sent]


async def test_run_reports_progress_only_if_bytes_arrive_or_assets_end(tmp_path: Path) -> None:
    statistics, events = Statistics(3), RecordedEvents()
    activity = Activity(statistics, events, tmp_path, 0, interval=0.001)
    following = asyncio.create_task(activity.follow())
    await wait_until(lambda: len(events.sent) == 1)
    statistics.count_received(10)
    await wait_until(lambda: len(events.sent) == 2)
    statistics.count_ended()
    await wait_until(lambda: len(events.sent) == 3)
    activity.stop()
    await following
    assert len(events.sent) == 3, "there is no report while nothing is transferred"
    assert events.sent[-1] == (
        RUN_PROGRESS,
        {"prefect.resource.id": "prefect.flow-run.a-run"},
        {"received": 10, "done": 1, "total": 3},
    )


async def test_disk_that_is_nearly_full_is_reported_once_per_run(tmp_path: Path) -> None:
    events = RecordedEvents()
    activity = Activity(Statistics(1), events, tmp_path / "new", 100, interval=0.001)
    with collect_notices() as notices:
        following = asyncio.create_task(activity.follow())
        await wait_until(lambda: NEARLY_FULL in events.names)
        activity.stop()
        await following
        (line,) = notices.lines()
    assert events.names.count(NEARLY_FULL) == 1
    assert line.startswith("The disk of the destination is nearly full. Free disk space: ")
    assert f"are free in '{tmp_path / 'new'}'" in line


@pytest.mark.parametrize(
    ("directory", "percent"), [(Path("/"), 0), (StorePath.parse("s3://bucket/prefix"), 100)]
)
async def test_space_is_not_checked_in_stores_or_if_disabled(
    directory: Path | StorePath, percent: float
) -> None:
    events = RecordedEvents()
    activity = Activity(Statistics(1), events, directory, percent)
    activity.stop()
    await activity.follow()
    assert events.names == [RUN_PROGRESS]


def test_event_of_a_full_disk_has_free_and_total_bytes() -> None:
    name, resource, payload = nearly_full_event(Path("/data"), Space(free=10, total=400))
    assert name == NEARLY_FULL
    assert resource["prefect.resource.id"] == "stac-asset.destination./data"
    assert payload == {"directory": "/data", "free": 10, "total": 400, "free_percent": 2.5}
    assert Space(0, 0).free_percent == 100, "some file systems report no size"


def test_failing_items_have_an_event_for_each_number_of_runs_above_one() -> None:
    runs = {Key("c", f"i{number}"): 3 for number in range(12)}
    runs |= {Key("c", "first"): 1, Key(None, "second"): 2, Key(None, "x" * 10**6): 4}
    second, third, fourth = failing_events("/m", runs)
    assert second[1][FAILED_RUNS] == "2"
    assert second[2] == {"runs": 2, "count": 1, "ids": ["second"]}
    assert third[1] == {"prefect.resource.id": "stac-asset.mirror./m", FAILED_RUNS: "3"}
    assert (third[2]["count"], len(third[2]["ids"])) == (12, 10)
    assert len(str(fourth[2])) < 300, "the source chooses the ids"


async def test_number_of_runs_is_counted_over_runs_and_ends_with_success(tmp_path: Path) -> None:
    bad, good, gone = Key("c", "bad"), Key("c", "good"), Key("c", "gone")
    numbers = []
    for failed in ({bad, gone}, {bad}, {bad}):
        events = RecordedEvents()
        items = FailingItems(LocalStorage(tmp_path))
        await items.begin()
        for key in (bad, good):
            items.add(key, key in failed)
        if gone in failed:
            items.add(gone, True)
        else:
            items.remove([gone, good])
        await items.finish(events)
        numbers.append([resource[FAILED_RUNS] for _, resource, _ in events.sent])
    assert numbers == [[], ["2"], ["3"]]
    assert read_failures(LocalStorage(tmp_path)) == {bad: 3}
