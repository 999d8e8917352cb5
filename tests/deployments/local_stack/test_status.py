"""The output of `make status`: whole messages, and late runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Completed, Late, Scheduled

from prefect_stac_asset.deployments.local_stack.status import (
    DeploymentRun,
    Runs,
    read_runs,
    status_lines,
)

TIME = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LATE = DeploymentRun("sync/nightly", "calm-owl", "Late", TIME)
MESSAGE = "3 of 4 assets failed:\n- asset 'a' of item 'x': " + "the server failed " * 30 + "END"


def _lines(runs: Runs, width: int | None) -> list[str]:
    return list(status_lines([], runs, width))


@pytest.mark.parametrize("width", [None, 80])
def test_whole_message_is_shown(width: int | None) -> None:
    failed = DeploymentRun("sync/nightly", "calm-owl", "Failed", TIME, MESSAGE)
    lines = _lines(Runs([], [], [], {"sync/nightly": failed}), width)
    assert lines[0] == "next run     none: no schedule is active"
    assert lines[1].startswith("last result  sync/nightly: Failed at ")
    assert all(line.startswith(13 * " ") for line in lines[2:])
    assert " ".join(" ".join(lines).split()).endswith(" ".join(MESSAGE.split()))
    if width is not None:
        assert max(map(len, lines)) <= width


def test_late_run_is_no_next_run() -> None:
    lines = _lines(Runs([], [LATE], [], {}), None)
    assert lines == [f"late run     sync/nightly: late since {TIME.astimezone():%Y-%m-%d %H:%M:%S}"]


@pytest.mark.usefixtures("prefect_test")
async def test_late_runs_and_messages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "prefect_stac_asset.deployments.local_stack.status"
    monkeypatch.setattr(f"{module}._PAGE", 2)  # There are more deployments than two.
    monkeypatch.setattr(f"{module}._NEXT_RUNS", 200)  # Other tests have scheduled runs.

    @flow(name="status-of-runs")
    def waiting() -> None:
        """Wait for a worker."""

    due = datetime.now(UTC) - timedelta(days=300)
    async with get_client() as client:
        flow_id = await client.create_flow_from_name("status-of-runs")
        deployment = await client.create_deployment(flow_id, "of-tests")
        others = [await client.create_deployment(flow_id, f"other-{number}") for number in range(3)]
        for state in (
            Late(scheduled_time=due),
            # The server marks an overdue run as late.
            Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1)),
            Completed(message=MESSAGE),
        ):
            await client.create_flow_run_from_deployment(deployment, state=state)
        try:
            runs = await read_runs()
        finally:
            for created in (deployment, *others):
                await client.delete_deployment(created)
    name = "status-of-runs/of-tests"
    assert [run.time for run in runs.late if run.deployment == name] == [due]
    assert [run.state for run in runs.scheduled if run.deployment == name] == ["Scheduled"]
    assert {f"status-of-runs/other-{number}" for number in range(3)} <= set(runs.last)
    last = runs.last[name]
    assert last is not None
    assert last.message == MESSAGE
