"""The alerts of a deployment: the conditions, the texts and the triggers.

| alert | condition |
|---|---|
| stale | no successful run within a time |
| failing items | the same items of a mirror failed in a number of runs in a row |
| nearly full | the disk of the destination is nearly full |
| no transfer | a run transfers nothing for a time |
| budget | a budget of a provider is used up to 80 % |

`alert_registration.create_alerts` registers the alerts as automations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.events import CompoundTrigger, EventTrigger, Posture

from prefect_stac_asset.flows.execution.event_names import (
    BUDGET_WARNING,
    ITEMS_FAILING,
    NEARLY_FULL,
    RUN_PROGRESS,
)
from prefect_stac_asset.flows.execution.state_names import ENDED, SUCCESSFUL
from prefect_stac_asset.flows.monitoring.activity import INTERVAL
from prefect_stac_asset.flows.monitoring.failing_items import FAILED_RUNS
from stac_asset.errors import ConfigError

_LINK = "\n{{ flow_run | ui_url }}"
_DAY = timedelta(days=1)
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}


@dataclass(frozen=True, slots=True)
class Conditions:
    """When the alerts of a deployment are sent."""

    stale: timedelta = timedelta(hours=26)
    """Time without a successful run, at least ten seconds. 26 hours suit a nightly run."""

    failing_runs: int = 3
    """Number of runs in a row in which the same items fail."""

    no_transfer: timedelta = timedelta(minutes=30)
    """Time without transferred bytes. Runs report the activity once a minute."""

    def validate(self) -> None:
        """Check the values.

        Raises:
            ConfigError: A value is too small.
        """
        if self.stale < timedelta(seconds=10):
            raise ConfigError("`stale_hours` must be at least ten seconds. Use for example 26.")
        if self.failing_runs < 2:
            raise ConfigError(
                f"`failing_runs` must be at least 2, and is {self.failing_runs}. Use for example 3."
            )
        if self.no_transfer < timedelta(seconds=2 * INTERVAL):
            raise ConfigError(
                "`no_transfer_minutes` must be at least 2, because runs report their activity once "
                "a minute. Use for example 30."
            )


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of a deployment."""

    name: str
    """Name of the automation."""

    subject: str
    """The condition, as a line of text."""

    body: str
    """Further text, a template of Prefect."""

    trigger: EventTrigger | CompoundTrigger


def alerts(deployment: str, deployment_id: UUID, conditions: Conditions) -> list[Alert]:
    """Return the alerts of a deployment.

    Args:
        deployment: The name of the deployment.
        deployment_id: The id of the deployment.
        conditions: When the alerts are sent.
    """
    related = {
        "prefect.resource.role": "deployment",
        "prefect.resource.id": f"prefect.deployment.{deployment_id}",
    }
    return [
        _stale(deployment, conditions.stale, related),
        _failing_items(deployment, conditions.failing_runs, related),
        _nearly_full(deployment, related),
        _no_transfer(deployment, conditions.no_transfer, related),
        _budget(),
    ]


def _stale(deployment: str, within: timedelta, related: dict[str, str]) -> Alert:
    return Alert(
        name=f"{deployment}: stale",
        subject=f"{deployment} had no successful run within {_text(within)}",
        body="Check the last runs, and that the schedule is active and a worker is online.",
        trigger=_stale_trigger(within, related),
    )


def _failing_items(deployment: str, runs: int, related: dict[str, str]) -> Alert:
    return Alert(
        name=f"{deployment}: failing items",
        subject=f"Items of {deployment} failed in {runs} runs in a row",
        body="{{ event.payload.count }} items, such as {{ event.payload.ids | join(', ') }}"
        + _LINK,
        trigger=EventTrigger(
            expect={ITEMS_FAILING},
            match={"prefect.resource.id": "stac-asset.mirror.*", FAILED_RUNS: str(runs)},
            match_related=related,
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
    )


def _nearly_full(deployment: str, related: dict[str, str]) -> Alert:
    return Alert(
        name=f"{deployment}: nearly full",
        subject=f"The destination of {deployment} is nearly full",
        body="{{ event.payload.free_percent }} % of the disk of {{ event.payload.directory }} "
        "are free." + _LINK,
        trigger=EventTrigger(
            expect={NEARLY_FULL},
            match={"prefect.resource.id": "stac-asset.destination.*"},
            match_related=related,
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=_DAY,  # At most one alert a day.
        ),
    )


def _no_transfer(deployment: str, within: timedelta, related: dict[str, str]) -> Alert:
    return Alert(
        name=f"{deployment}: no transfer",
        subject=f"A run of {deployment} transferred nothing for {_text(within)}",
        body="{{ flow_run.name }}" + _LINK,
        trigger=EventTrigger(
            after={RUN_PROGRESS},
            expect={RUN_PROGRESS, *_state_events(*ENDED)},
            match=_RUNS,
            match_related=related,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
    )


def _budget() -> Alert:
    # Runs of all deployments share the budget of a provider.
    return Alert(
        name="stac-asset: budget",
        subject="A budget of a provider is used up to 80 %",
        body="{{ event.payload.budget }}: {{ event.payload.used }} of "
        "{{ event.payload.limit }} used." + _LINK,
        trigger=EventTrigger(
            expect={BUDGET_WARNING},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
    )


def _stale_trigger(within: timedelta, related: dict[str, str]) -> CompoundTrigger:
    """Return the trigger for a time without a successful run.

    The first part fires exactly this time after a successful run. The second part divides the time
    into windows of this length, and fires for each window without a successful run. The second
    part covers a deployment that never succeeds and a server that was stopped, and repeats the
    alert.
    """
    successes = _state_events(*SUCCESSFUL)

    def trigger(after: set[str]) -> EventTrigger:
        return EventTrigger(
            after=after,
            expect=successes,
            match=_RUNS,
            match_related=related,
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        )

    return CompoundTrigger(
        require="any", within=None, triggers=[trigger(successes), trigger(set())]
    )


def _state_events(*names: str) -> set[str]:
    return {f"prefect.flow-run.{name}" for name in names}


def _text(time: timedelta) -> str:
    seconds = time.total_seconds()
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} seconds"
