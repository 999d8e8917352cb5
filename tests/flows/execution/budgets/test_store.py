"""The shared parts of budgets on a Prefect server: records, and queues of rates."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import VariableCreate
from prefect.settings import PREFECT_API_URL

from prefect_stac_asset.flows.execution.budgets import store
from prefect_stac_asset.flows.execution.budgets.queue import enqueue, queue_name
from prefect_stac_asset.flows.execution.budgets.record import Record, changed
from prefect_stac_asset.flows.execution.budgets.store import (
    budget_tag,
    read_record,
    update_record,
)

NOW = 1_770_000_000.0

_ADDER = """
import asyncio, sys
from prefect.client.orchestration import get_client
from prefect_stac_asset.flows.execution.budgets.record import changed
from prefect_stac_asset.flows.execution.budgets.store import update_record

async def main():
    async with get_client() as client:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(5):
            await update_record(
                client,
                sys.argv[1],
                lambda record: (changed(record, "", int(sys.argv[2]), 0, 1.77e9), None),
            )

asyncio.run(main())
"""


async def add(client: PrefectClient, budget: str, size: int) -> None:
    await update_record(client, budget, lambda record: (changed(record, "", size, 0, NOW), None))


async def versions(client: PrefectClient, budget: str) -> list[str]:
    body = {"variables": {"tags": {"all_": [budget_tag(budget)]}}}
    response = await client.request("POST", "/variables/filter", json=body)
    return [one["name"] for one in response.json()]


def environment() -> Mapping[str, str]:
    return {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""}


async def test_no_change_of_several_processes_is_lost() -> None:
    def run() -> list[int]:
        started = [
            subprocess.Popen(
                [sys.executable, "-c", _ADDER, "at-once", str(10**number)],
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in (0, 3, 6)
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in started:
            process.communicate()
        return [process.returncode for process in started]

    async with get_client() as client:
        assert await asyncio.to_thread(run) == [0, 0, 0]
        found = await read_record(client, "at-once")
        assert sum(found.days.values()) == 5_005_005


async def test_no_change_of_many_tasks_is_lost() -> None:
    async with get_client() as client:
        await asyncio.gather(*(add(client, "tasks", 1) for _ in range(8)))
        assert sum((await read_record(client, "tasks")).days.values()) == 8


async def test_budgets_with_similar_names_are_separate() -> None:
    async with get_client() as client:
        for number, name in enumerate(("a", "a_b", "a-b", "a_000000000001")):
            await add(client, name, 10**number)
        for number, name in enumerate(("a", "a_b", "a-b", "a_000000000001")):
            assert sum((await read_record(client, name)).days.values()) == 10**number


async def test_earlier_versions_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_KEPT_SECONDS", 0)
    async with get_client() as client:
        for _ in range(5):
            await add(client, "old", 1)
        assert await versions(client, "old") == ["stac_asset_budget_old_000000000005"]
        assert sum((await read_record(client, "old")).days.values()) == 5


async def test_version_of_a_suspended_process_is_discarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process reads version 1, and is suspended while version 2 is created and removed."""
    async with get_client() as client:
        await add(client, "late", 1)
        calls = []

        def change(record: Record) -> tuple[Record, None]:
            calls.append(sum(record.days.values()))
            if len(calls) > 1:
                monkeypatch.undo()
            return changed(record, "", 100, 0, NOW), None

        monkeypatch.setattr(store, "_MAX_SECONDS", -1.0)
        await update_record(client, "late", change)
        assert calls == [1, 1]
        assert sum((await read_record(client, "late")).days.values()) == 101


async def test_variable_that_is_no_record_counts_as_empty() -> None:
    async with get_client() as client:
        name = "stac_asset_budget_odd_000000000007"
        new = VariableCreate(name=name, value="text", tags=[budget_tag("odd")])
        await client.create_variable(new)
        assert await read_record(client, "odd") == Record()
        await add(client, "odd", 3)
        assert sum((await read_record(client, "odd")).days.values()) == 3


async def test_queue_serves_all_processes_one_after_another() -> None:
    async with get_client() as client, get_client() as other:
        name = queue_name("q", "bandwidth")
        assert round(await enqueue(client, name, 1000.0), -2) == 1000
        found = await asyncio.gather(*(enqueue(one, name, 1000.0) for one in (client, other)))
        assert sorted(round(seconds, -2) for seconds in found) in ([2000, 3000], [3000, 3000])
        limit = await client.read_global_concurrency_limit_by_name(name)
        assert limit.slot_decay_per_second > 0


async def test_inactive_queue_has_no_wait() -> None:
    async with get_client() as client:
        name = queue_name("inactive", "bandwidth")
        await enqueue(client, name, 100.0)
        body = {"active": False}
        await client.request("PATCH", f"/v2/concurrency_limits/{name}", json=body)  # type: ignore[arg-type]
        assert await enqueue(client, name, 100.0) == 0
