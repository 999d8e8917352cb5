"""Requests to Prefect's API about the runs of shares."""

from __future__ import annotations

from uuid import uuid4

from httpx import Request
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from prefect_stac_asset import flows
from prefect_stac_asset.flows.distribution.deployment import ShareRuns
from prefect_stac_asset.flows.distribution.target import target_of
from stac_asset.destinations.location import StorePath


async def test_runs_are_started_once_and_followed_by_a_single_request() -> None:
    name = f"test-{uuid4().hex[:8]}"
    deployment = await flows.download_batch.to_deployment(name)  # type: ignore[misc]
    await deployment.aapply()
    target = await target_of(name, StorePath.parse("s3://bucket/data"))
    assert target is not None
    sent: list[Request] = []

    async def record(request: Request) -> None:
        sent.append(request)

    async with get_client() as client:
        runs = ShareRuns(client, target, {})
        shares = [uuid4().hex for _ in range(8)]
        started = [
            await runs.start(share, f"s3://bucket/data/{share}", 1, share) for share in shares
        ]
        again = await runs.start(shares[0], f"s3://bucket/data/{shares[0]}", 1, "again")
        second = await runs.start(shares[0], f"s3://bucket/data/{shares[0]}", 2, "second")
        assert again.id == started[0].id
        assert second.id != started[0].id
        assert (await runs.last_attempt(shares[0]))[0] == 2
        client._client.event_hooks["request"].append(record)
        states = await runs.states(run.id for run in started)
        assert len(sent) == 1
        assert states.keys() == {run.id for run in started}
        assert {state.type for state in states.values() if state} == {StateType.SCHEDULED}
        assert await runs.states([]) == {}
        assert len(sent) == 1
        await client.delete_deployment(target.id)
