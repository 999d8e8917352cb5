"""The automations of the alerts of a deployment. Tests on a server are in `test_stack.py`."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from prefect.events import CompoundTrigger, EventTrigger, Posture

from prefect_stac_asset.deployments.alerts import Alert, Conditions, alerts
from prefect_stac_asset.deployments.automations import _heartbeat_automation
from prefect_stac_asset.flows.execution.event_names import RUN_PROGRESS
from prefect_stac_asset.flows.monitoring.activity import INTERVAL
from stac_asset.errors import ConfigError
from tests.support.deployments_cli import run_deployments_cli

DEPLOYMENT = uuid4()


def alert(name: str, conditions: Conditions | None = None) -> Alert:
    found = alerts("sync/nightly", DEPLOYMENT, conditions or Conditions())
    (one,) = [one for one in found if one.name.endswith(f": {name}")]
    return one


def test_stale_alert_expects_successful_runs_of_the_deployment() -> None:
    stale = alert("stale", Conditions(stale=timedelta(hours=30)))
    assert stale.subject == "sync/nightly had no successful run within 30 hours"
    assert isinstance(stale.trigger, CompoundTrigger)
    for trigger in stale.trigger.triggers:
        assert isinstance(trigger, EventTrigger)
        assert trigger.posture == Posture.Proactive
        assert trigger.within == timedelta(hours=30)
        related = trigger.model_dump(mode="json")["match_related"]
        assert f"'prefect.deployment.{DEPLOYMENT}'" in str(related)
        assert trigger.expect == {
            "prefect.flow-run.Completed",
            "prefect.flow-run.NothingNew",
            "prefect.flow-run.Repaired",
            "prefect.flow-run.CompletedWithWarnings",
        }


def test_alert_about_items_is_sent_when_the_number_of_runs_is_reached() -> None:
    trigger = alert("failing items", Conditions(failing_runs=5)).trigger
    assert isinstance(trigger, EventTrigger)
    assert trigger.match["stac-asset.failed-runs"] == ["5"]


def test_each_final_state_ends_the_time_of_a_run_without_transfer() -> None:
    trigger = alert("no transfer").trigger
    heartbeat = _heartbeat_automation(DEPLOYMENT, []).trigger
    assert isinstance(trigger, EventTrigger)
    assert isinstance(heartbeat, EventTrigger)
    assert trigger.after == {RUN_PROGRESS}
    assert trigger.within > timedelta(seconds=2 * INTERVAL)
    for name in (
        "Completed",
        "NothingNew",
        "BudgetReached",
        "DryRun",
        "NotApproved",
        "Failed",
        "Crashed",
    ):
        assert f"prefect.flow-run.{name}" in trigger.expect
        assert f"prefect.flow-run.{name}" in heartbeat.expect


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        (Conditions(stale=timedelta(seconds=5)), "`stale_hours` must be at least ten seconds"),
        (Conditions(failing_runs=1), "`failing_runs` must be at least 2, and is 1"),
        (Conditions(no_transfer=timedelta(minutes=1)), "`no_transfer_minutes` must be at least 2"),
    ],
)
def test_condition_that_is_too_small_is_refused(conditions: Conditions, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        conditions.validate()


def test_command_without_an_action_is_one_error() -> None:
    done = run_deployments_cli("alert", "sync/sync", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert done.returncode == 1
    assert done.stderr == (
        "error: `notify` and `run` are missing. Set `notify` to a notification block.\n"
    )
