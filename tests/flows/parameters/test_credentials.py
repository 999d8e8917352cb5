"""Downloads with the saved block of each provider, and searches for leaked secrets.

`tests/support/providers.py` runs the servers of the providers.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.deployments.runner import DeploymentApplyError
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks.references import BlockReference
from prefect_stac_asset.flows import DownloadOptions, DownloadResult
from prefect_stac_asset.flows.parameters.credentials import references
from tests.support.collections import collection_document
from tests.support.credential_runs import OPTIONS, Runs, read_log, run_with_all_providers
from tests.support.paths import ROOT
from tests.support.prefect_environment import prefect_environment
from tests.support.prefect_reads import read_back
from tests.support.prefect_server import stored_rows
from tests.support.providers import BUCKET, SECRETS, Providers
from tests.support.workers import deploy

PROVIDERS = (
    "earthdata-token",
    "earthdata-login",
    "requester-pays",
    "s3-keys",
    "planetary",
    "bearer",
    "basic",
    "oauth2",
    "oauth2-password",
    "aws",
    "minio",
)
IDLE_POOL = "pool-without-worker"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runs(
    prefect_server: None,
    providers: Providers,
    pool: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Runs]:
    """Runs with the blocks of all providers."""
    yield await run_with_all_providers(providers, tmp_path_factory.mktemp("files"), pool)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idle_deployment(prefect_server: None) -> str:
    """Name of a deployment to a pool without a worker."""
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=IDLE_POOL, type="process"))
    return await deploy(flows.download_item, IDLE_POOL)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_deployment_run_downloads_files_of_each_provider(runs: Runs, name: str) -> None:
    key = "by-slug" if name in runs.used["by-slug"] else "by-id"
    run = runs.by_slug if key == "by-slug" else runs.by_id
    assert run is not None
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    result = await run.state.aresult()
    assert isinstance(result, DownloadResult)
    rows = {row["key"]: row["state"] for row in result.rows()}
    for number, _ in enumerate(runs.providers.hrefs[name]):
        assert rows[f"{name}-{number}"] == "downloaded"


async def test_deployment_run_with_references_by_id_downloads_all_files(runs: Runs) -> None:
    assert runs.by_id is not None
    assert runs.by_id.state is not None
    assert runs.by_id.state.is_completed(), runs.by_id.state.message
    assert (await runs.by_id.state.aresult()).downloaded == sum(
        len(runs.providers.hrefs[name]) for name in runs.used["by-id"]
    )


def test_direct_call_downloads_files_of_all_providers(runs: Runs) -> None:
    count = sum(len(runs.providers.hrefs[name]) for name in runs.used["direct"])
    assert runs.direct_exit_code == 0, runs.direct_output[-3000:]
    assert f"{count} downloaded, 0 skipped, 0 failed" in runs.direct_output


@pytest.mark.parametrize("name", ["oauth2", "oauth2-password"])
async def test_expired_tokens_are_renewed_during_a_run(
    runs: Runs, name: str, tmp_path: Path
) -> None:
    server = runs.providers.oauth2 if name == "oauth2" else runs.providers.oauth2_password
    server.files.clear()
    given = server.given
    block = runs.providers.blocks[name]
    result = await flows.download_item(
        runs.providers.item(name), str(tmp_path), DownloadOptions(**OPTIONS), credentials=block
    )
    assert result.downloaded == len(runs.providers.hrefs[name])
    assert {status for _, status in server.files} == {200}
    tokens = {seen.headers["authorization"] for seen, _ in server.files}
    assert len(tokens) == server.given - given
    assert len(tokens) > 1 or name == "oauth2-password"


async def test_every_flow_uses_credentials_for_source_and_assets(
    runs: Runs, tmp_path: Path, providers: Providers
) -> None:
    block, directory = providers.blocks["bearer"], str(tmp_path)
    item = json.loads(providers.item("bearer"))
    collection = collection_document(providers.bearer)
    collection["assets"] = {"a": {"href": providers.bearer.href("/a.tif")}}
    items = {"type": "FeatureCollection", "features": [item]}
    hrefs = {
        kind: providers.bearer.put(f"/{kind}.json", json.dumps(document).encode())
        for kind, document in {"item": item, "collection": collection, "items": items}.items()
    }
    checked = await flows.check_assets(hrefs["items"], credentials=block)
    assert checked.total == 1
    for flow, kind in (
        (flows.download_item, "item"),
        (flows.download_collection, "collection"),
        (flows.download_item_collection, "items"),
    ):
        result = await flow(hrefs[kind], f"{directory}/{kind}", credentials=[block])
        assert result.downloaded == 1, kind
    (file,) = (tmp_path / "item").rglob("*.tif")
    file.unlink()
    verified = await flows.verify(f"{directory}/item", repair=True, credentials=block)
    assert (verified.repaired, verified.missing) == (1, 0)
    assert file.read_bytes() == providers.bearer.content("/a.tif")


async def test_submitted_tasks_load_saved_blocks(runs: Runs, tmp_path: Path) -> None:
    threaded = flows.download_item.with_options(task_runner=ThreadPoolTaskRunner(max_workers=2))
    result = await threaded(
        runs.providers.item("bearer"), str(tmp_path), credentials=runs.providers.blocks["bearer"]
    )
    assert result.downloaded == 1


async def test_secrets_are_sent_only_to_configured_hosts(runs: Runs) -> None:
    for provider in (runs.providers.earthdata_token, runs.providers.earthdata_login):
        assert provider.storage.requests
        for request in provider.storage.requests:
            assert "authorization" not in request.headers
            assert "cookie" not in request.headers
    assert [request.headers["authorization"] for request in runs.providers.bearer.requests]
    assert not [
        request for request in runs.providers.bearer.requests if "x-api-key" in request.headers
    ]
    assert runs.providers.requester_pays.assumed >= 3
    assert all("x-amz-request-payer" in seen.headers for seen in runs.providers.requester_pays.seen)
    keys = {seen.headers["ocp-apim-subscription-key"] for seen in runs.providers.sas_endpoint.seen}
    assert keys == {"pl4nted-subscription-key"}


async def test_log_names_block_used_for_each_host(runs: Runs) -> None:
    assert runs.by_slug is not None
    log = await read_log(runs.by_slug, "Finished in state")
    for name, host in {
        "earthdata-token": runs.providers.earthdata_token.data_url,
        "earthdata-login": runs.providers.earthdata_login.data_url,
        "bearer": runs.providers.bearer.url,
        "oauth2": runs.providers.oauth2.url,
        "planetary": runs.providers.azurite.url,
    }.items():
        assert f"{host}/ uses block '{runs.slugs[name]}'" in log
    assert f"s3://{BUCKET}/ uses block '{runs.slugs['s3-keys']}'" in log
    assert f"paid/a.tif uses block '{runs.slugs['requester-pays']}'" in log


async def test_log_names_unused_blocks(runs: Runs, tmp_path: Path, providers: Providers) -> None:
    credentials = [providers.blocks["basic"], providers.blocks["bearer"]]
    state = await flows.download_item(
        providers.item("bearer"), str(tmp_path), credentials=credentials, return_state=True
    )
    run, _ = await read_back(state, 3)
    log = await read_log(run, "Finished in state")
    assert "block 'http-credentials/my-basic' is not used by any asset" in log
    assert "block 'http-credentials/my-bearer' is not used" not in log


async def test_each_reference_form_is_accepted_for_each_block(
    runs: Runs, idle_deployment: str
) -> None:
    """The server validates each reference, and the run loads each block."""
    by_slug = [blocks.ref(slug) for slug in runs.slugs.values()]
    by_id = [{"$ref": str(number)} for number in runs.ids.values()]
    from_form = [runs.form_reference(name) for name in runs.providers.blocks]
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(idle_deployment)
        for credentials in (by_slug, by_id, from_form, *from_form):
            parameters = {"source": "/x", "directory": "/y", "credentials": credentials}
            run = await client.create_flow_run_from_deployment(
                deployment.id, parameters=parameters, state=Cancelled()
            )
            assert run.parameters == parameters
    # The fixture `runs` covers the other forms.
    parameters = {"source": "/x", "directory": "/y", "credentials": by_id}
    valid = await asyncio.to_thread(flows.download_item.validate_parameters, parameters)
    found = [(type(block), block._block_document_name) for block in valid["credentials"]]
    assert found == [(type(block), f"my-{name}") for name, block in runs.providers.blocks.items()]


async def test_block_fields_as_credentials_are_rejected_and_not_stored(
    idle_deployment: str, tmp_path: Path, providers: Providers
) -> None:
    parameters = {"source": providers.item("bearer"), "directory": str(tmp_path)}
    fields = {"hosts": [providers.bearer.url], "token": SECRETS["http token"]}
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(idle_deployment)
        # The client sends a block with its secrets replaced by asterisks.
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            await client.create_flow_run_from_deployment(
                deployment.id, parameters={**parameters, "credentials": providers.blocks["bearer"]}
            )
        for credentials in (fields, [fields]):
            with pytest.raises(PrefectHTTPStatusError) as caught:
                await client.create_flow_run_from_deployment(
                    deployment.id, parameters={**parameters, "credentials": credentials}
                )
            assert caught.value.response.status_code == 409
            # Prefect resolves templates and block IDs in `prefect.yaml` to such fields.
            with pytest.raises(DeploymentApplyError, match="422"):
                await deploy(
                    flows.download_item, IDLE_POOL, parameters={"credentials": credentials}
                )
            state = await flows.download_item(
                **parameters,
                credentials=credentials,  # type: ignore[arg-type]
                return_state=True,
            )
            assert "`credentials` must be saved blocks or references" in str(state.message)


async def test_stored_parameters_are_references(runs: Runs) -> None:
    async with get_client() as client:
        named = FlowRunFilterName(like_=str(runs.folder / "direct"))
        found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=named))
    (direct,) = [run for run in found if run.name.endswith(str(runs.folder / "direct"))]
    assert direct.parameters["credentials"] == [
        blocks.ref(runs.slugs[name]) for name in runs.used["direct"]
    ]


async def test_secrets_are_in_no_output_or_storage(
    runs: Runs, tmp_path_factory: pytest.TempPathFactory, providers: Providers
) -> None:
    assert providers.secrets_in(runs.direct_output.encode()) == []
    assert "DEBUG" in runs.direct_output
    rows = await stored_rows()
    assert rows
    assert {table for table, row in rows if providers.secrets_in(row.encode())} == set()
    storage = PREFECT_LOCAL_STORAGE_PATH.value()
    results = [path for path in storage.rglob("*") if path.is_file()]
    assert results
    logs = [path for path in tmp_path_factory.getbasetemp().rglob("worker.log")]
    assert any(b"DEBUG" in log.read_bytes() for log in logs)
    documents = [path for path in runs.folder.rglob("*.json*")]
    assert documents
    for path in [*results, *logs, *documents]:
        assert providers.secrets_in(path.read_bytes()) == [], path


async def test_block_inspection_shows_no_secret(runs: Runs, providers: Providers) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "prefect", "block", "inspect", runs.slugs["basic"]],
        env=prefect_environment(COLUMNS="300"),
        cwd=ROOT,
        capture_output=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert b"my-basic" in done.stdout
    assert providers.secrets_in(done.stdout + done.stderr) == []
    async with get_client() as client:
        for name in PROVIDERS[:-2]:
            kind, _, slug = runs.slugs[name].partition("/")
            document = await client.read_block_document_by_name(slug, kind, include_secrets=False)
            assert providers.secrets_in(document.model_dump_json().encode()) == [], name


async def test_pickled_blocks_and_references_contain_no_secret(
    runs: Runs, providers: Providers
) -> None:
    for name, block in providers.blocks.items():
        (reference,) = references(block)
        pickled = pickle.dumps(reference)
        assert pickle.loads(pickled) == BlockReference(runs.slugs[name])
        assert providers.secrets_in(pickled + repr(reference).encode()) == []
        if name not in ("aws", "minio"):
            pickled = pickle.dumps(block)
            assert providers.secrets_in(pickled) == []
            assert await asyncio.to_thread(pickle.loads, pickled) == block
