"""Alerts of a deployment on the server of a stack: silent while runs succeed, sent when not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_stac_asset.deployments.alert_registration import create_alerts
from prefect_stac_asset.deployments.alerts import Conditions
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.event_names import BUDGET_WARNING
from prefect_stac_asset.flows.monitoring.activity import Activity, Space, nearly_full_event
from prefect_stac_asset.flows.monitoring.failing_items import FailingItems
from prefect_stac_asset.flows.reporting.events import Events
from prefect_stac_asset.flows.reporting.statistics import Statistics
from stac_asset.errors import ConfigError
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.testing import Origin
from tests.support.processes import wait_until
from tests.support.stacks import RunningStack, post, read_deployment

_WITHIN = timedelta(seconds=10)
"""The shortest time of Prefect's proactive triggers."""

_PROACTIVE = ("had no successful run within 10 seconds", "transferred nothing for 10 seconds")
_REACTIVE = (
    "The destination of sync/sync is nearly full: ",
    "Items of sync/sync failed in 2 runs in a row: 1 items, such as bad",
    "A budget of a provider is used up to 80 %: provider: 80 of 100 used.",
)


async def assert_alerts_are_sent(stack: RunningStack, origin: Origin, folder: Path) -> None:
    """Check that each alert of a deployment is sent exactly for the condition of the alert."""
    url = origin.put("/alert", b"")
    flow = post(stack, "/flows/", name="react")
    schema = {"type": "object", "properties": {"alert": {"type": "string"}}, "required": ["alert"]}
    target = post(
        stack, "/deployments/", name="on-alert", flow_id=flow["id"], parameter_openapi_schema=schema
    )
    with temporary_settings({PREFECT_API_URL: f"{stack.url}/api"}):
        await CustomWebhookNotificationBlock(
            name="alerts", url=url, method="GET", params={"text": "{{subject}}: {{body}}"}
        ).asave("alerts", overwrite=True)
        conditions = Conditions(stale=_WITHIN, failing_runs=2, no_transfer=_WITHIN)
        arguments = ("sync/sync", "custom-webhook/alerts", "react/on-alert", conditions)
        for wrong, text in (
            (("sync/none", "custom-webhook/alerts"), "Deployment 'sync/none' does not exist. Set "),
            (
                ("sync/sync", "custom-webhook/none"),
                "Block 'custom-webhook/none' is not saved",
            ),
            (("sync/sync", None, "verify/none"), "Deployment 'verify/none' does not exist. Set "),
            (("sync/sync", None, "download-item/download-item"), "requires the parameter `"),
        ):
            with pytest.raises(ConfigError, match=text):
                await create_alerts(*wrong)
        names = await create_alerts(*arguments)
        assert await create_alerts(*arguments) == names
        async with get_client() as client:
            for name in names:
                assert len(await client.read_automations_by_name(name)) == 1
        await _let_alerts_be_sent(stack, origin, folder)
        async with get_client() as client:
            for name in names:
                (automation,) = await client.read_automations_by_name(name)
                await client.delete_automation(automation.id)
    of_target = {"deployments": {"id": {"any_": [target["id"]]}}}
    alerts = {run["parameters"]["alert"] for run in post(stack, "/flow_runs/filter", **of_target)}
    assert "sync/sync had no successful run within 10 seconds" in alerts


async def _let_alerts_be_sent(stack: RunningStack, origin: Origin, folder: Path) -> None:
    run = _start_run(stack)
    statistics = Statistics(1000)
    loop = asyncio.get_running_loop()
    async with _events(run, read_deployment(stack, "sync/sync")["id"]) as events:
        activity = Activity(statistics, events, folder, 0, interval=1)
        following = asyncio.create_task(activity.follow())

        async def send(text: str) -> None:
            match _REACTIVE.index(text):
                case 0:
                    await events.put(*nearly_full_event(folder, Space(free=1, total=100)))
                case 1:
                    await _fail_twice(folder, events)
                case _:
                    resource = {"prefect.resource.id": "stac-asset.budget.provider"}
                    payload = {"budget": "provider", "used": 80, "limit": 100}
                    await events.put(BUDGET_WARNING, resource, payload)

        async def succeed() -> None:
            """Let a run of the mirror succeed, and another run transfer bytes."""
            _set_state(stack, _start_run(stack), "COMPLETED", "NothingNew")
            statistics.count_received(1)
            await asyncio.sleep(1)

        # The server loads new triggers with a delay.
        until = loop.time() + 120
        while unsent := [text for text in _REACTIVE if not _is_sent(origin, text)]:
            assert loop.time() < until, (unsent, _sent(origin))
            for text in unsent:
                await send(text)
            await succeed()
        origin.forget()
        until = loop.time() + 1.2 * _WITHIN.total_seconds()
        while loop.time() < until:
            await succeed()
        assert not any(_is_sent(origin, text) for text in _PROACTIVE), _sent(origin)
        await wait_until(lambda: all(_is_sent(origin, text) for text in _PROACTIVE))
        activity.stop()
        await following
    _set_state(stack, run, "COMPLETED")


async def _fail_twice(folder: Path, events: Events) -> None:
    """Let an item fail in two runs in a row, and succeed in a third run."""
    for failed in (True, True, False):
        items = FailingItems(LocalStorage(folder))
        await items.begin()
        items.add(Key("c", "bad"), failed)
        await items.finish(events)


def _start_run(stack: RunningStack) -> str:
    """Create a running flow run of the watched deployment, and return the id."""
    deployment = read_deployment(stack, "sync/sync")
    ids = {"flow_id": deployment["flow_id"], "deployment_id": deployment["id"]}
    return str(post(stack, "/flow_runs/", state={"type": "RUNNING"}, **ids)["id"])


def _set_state(stack: RunningStack, run_id: str, kind: str, name: str | None = None) -> None:
    state = {"type": kind, "name": name}
    post(stack, f"/flow_runs/{run_id}/set_state", state=state, force=True)


@asynccontextmanager
async def _events(run_id: str, deployment_id: str) -> AsyncIterator[Events]:
    events = Events(run_id, DownloadOptions(), deployment_id)
    sending = asyncio.create_task(events.send_queued())
    yield events
    await events.flush(sending)


def _sent(origin: Origin) -> list[str]:
    return [unquote_plus(request.query) for request in origin.gets("/alert")]


def _is_sent(origin: Origin, text: str) -> bool:
    return any(text in line for line in _sent(origin))
