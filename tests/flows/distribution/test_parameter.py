"""Values of `distribute` that name no deployment of `download_batch`, and local directories."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from prefect_stac_asset import flows
from prefect_stac_asset.flows.distribution.parameter import shares_beside
from prefect_stac_asset.flows.distribution.target import target_of
from stac_asset.destinations.location import StorePath
from stac_asset.errors import ConfigError
from stac_asset.testing import Origin
from tests.support.items import make_item
from tests.support.user_flow import list_hosts

STORE = StorePath.parse("s3://bucket/data")


async def test_deployment_is_found_with_and_without_the_name_of_the_flow() -> None:
    name = f"test-{uuid4().hex[:8]}"
    deployment = await flows.download_batch.to_deployment(name)  # type: ignore[misc]
    id = await deployment.aapply()
    for given in (name, f"download-batch/{name}"):
        target = await target_of(given, STORE)
        assert target is not None
        assert (target.id, target.name, target.pool) == (id, f"download-batch/{name}", None)
    assert await target_of(None, Path("/data")) is None


async def test_deployment_that_does_not_exist_is_refused() -> None:
    for given in ("missing", "download-batch/missing", ""):
        with pytest.raises(ConfigError, match=r"'download-batch/.*' does not exist"):
            await target_of(given, STORE)


async def test_deployment_of_another_flow_is_refused() -> None:
    with pytest.raises(ConfigError, match="is a deployment of flow 'sync'"):
        await target_of("sync/sync", STORE)
    other = list_hosts.with_options(name="download-batch")
    name = f"test-{uuid4().hex[:8]}"
    await (await other.to_deployment(name)).aapply()  # type: ignore[misc]
    with pytest.raises(ConfigError, match="has no parameter `share`"):
        await target_of(name, STORE)


@pytest.mark.parametrize(
    ("distribute", "reason"),
    [
        ("missing", "'download-batch/missing' does not exist"),
        ("sync/sync", "is a deployment of flow 'sync'"),
    ],
)
async def test_runs_with_a_wrong_deployment_fail_before_any_request(
    origin: Origin, distribute: str, reason: str
) -> None:
    source = make_item(origin, "a")
    for flow in (flows.download_item_collection, flows.sync):
        state = await flow(source, "s3://bucket/data", distribute=distribute, return_state=True)
        assert state.is_failed()
        assert reason in str(state.message)
    assert origin.requests == []


@pytest.mark.parametrize("scheme", ["", "file://"])
async def test_local_directory_is_refused_with_the_reason(
    origin: Origin, tmp_path: Path, scheme: str
) -> None:
    source = make_item(origin, "a")
    for flow in (flows.download_item_collection, flows.sync):
        state = await flow(
            source, f"{scheme}{tmp_path}", distribute="download-batch", return_state=True
        )
        assert "other machines do not share the disk" in str(state.message)
    assert origin.gets() == []
    assert list(tmp_path.iterdir()) == []


def test_runs_that_write_different_documents_have_different_folders() -> None:
    folders = {str(shares_beside(STORE / name, STORE)) for name in ("a.json", "sub/a.json")}
    assert folders == {f"{STORE}/.shares/a.json", f"{STORE}/.shares/sub/a.json"}
