"""Each provider through its saved block: from a real server of its kind, and no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.deployments.runner import DeploymentApplyError
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import (
    PREFECT_LOCAL_STORAGE_PATH,
    get_current_settings,
)
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks.references import BlockReference
from prefect_stac_asset.flows import DownloadOptions, DownloadResult
from prefect_stac_asset.flows.parameters.credentials import references
from stac_asset.errors import ConfigError, MissingCredentialError
from stac_asset.testing import Origin
from tests.blocks.world import BUCKET, SECRETS, World, world
from tests.flows.credential_runs import OPTIONS, Runs, log_of, make_runs
from tests.flows.deploying import ROOT, deploy
from tests.flows.reading import read_back, states
from tests.make_collection import collection_document
from tests.make_item import item_document, make_item
from tests.prefect_server import stored_rows

NAMES = (
    "chain users paying signed planetary bearer basic oauth2 passwords aws minio".split()  # noqa: SIM905
)


@pytest.fixture(scope="module", autouse=True)
def _machine_without_credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No credentials are found but those of blocks, whatever the machine has."""
    empty = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"):
            patch.delenv(f"AWS_{name}", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", str(empty / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(empty / "credentials"))
        patch.delenv("EARTHDATA_PAT", raising=False)
        patch.setenv("NETRC", str(empty / "netrc"))
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runs(
    prefect_server: None,
    _machine_without_credentials: None,
    pool: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Runs]:
    async with world(tmp_path_factory.mktemp("world")) as made:
        yield await make_runs(made, tmp_path_factory.mktemp("files"), pool)


@pytest.fixture(scope="module")
def made(runs: Runs) -> World:
    return runs.world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idle(prefect_server: None) -> str:
    """A deployment to a pool without a worker."""
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="nobody", type="process"))
    return await deploy(flows.download_item, "nobody")


@pytest.mark.parametrize("name", NAMES)
async def test_each_provider_opens_its_files_in_a_deployment_run(runs: Runs, name: str) -> None:
    key = "by-slug" if name in runs.used["by-slug"] else "by-id"
    run = runs.by_slug if key == "by-slug" else runs.by_id
    assert run is not None
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    result = await run.state.aresult()
    assert isinstance(result, DownloadResult)
    rows = {row["key"]: row["state"] for row in result.rows()}
    for number, _ in enumerate(runs.world.hrefs[name]):
        assert rows[f"{name}-{number}"] == "downloaded"


async def test_references_by_id_open_them_too(runs: Runs) -> None:
    assert runs.by_id is not None
    assert runs.by_id.state is not None
    assert runs.by_id.state.is_completed(), runs.by_id.state.message
    assert (await runs.by_id.state.aresult()).downloaded == sum(
        len(runs.world.hrefs[name]) for name in runs.used["by-id"]
    )


def test_each_provider_opens_its_files_in_a_direct_call(runs: Runs) -> None:
    count = sum(len(runs.world.hrefs[name]) for name in runs.used["direct"])
    assert runs.direct_code == 0, runs.direct[-3000:]
    assert f"{count} downloaded, 0 skipped, 0 failed" in runs.direct


@pytest.mark.parametrize("name", ["oauth2", "passwords"])
async def test_tokens_that_end_within_a_direct_run_are_renewed(
    runs: Runs, name: str, tmp_path: Path
) -> None:
    server = runs.world.oauth2 if name == "oauth2" else runs.world.passwords
    server.files.clear()
    given = server.given
    block = runs.world.blocks[name]
    result = await flows.download_item(
        runs.world.item(name), str(tmp_path), DownloadOptions(**OPTIONS), credentials=block
    )
    assert result.downloaded == len(runs.world.hrefs[name])
    assert {status for _, status in server.files} == {200}
    used = {seen.headers["authorization"] for seen, _ in server.files}
    assert len(used) == server.given - given
    assert len(used) > 1 or name == "passwords"


async def test_every_flow_takes_credentials_for_its_source_too(
    runs: Runs, tmp_path: Path, made: World
) -> None:
    block, directory = made.blocks["bearer"], str(tmp_path)
    item = json.loads(made.item("bearer"))
    collection = collection_document(made.bearer)
    collection["assets"] = {"a": {"href": made.bearer.href("/a.tif")}}
    many = {"type": "FeatureCollection", "features": [item]}
    hrefs = {
        kind: made.bearer.put(f"/{kind}.json", json.dumps(document).encode())
        for kind, document in {"item": item, "collection": collection, "items": many}.items()
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
    assert file.read_bytes() == made.bearer.content("/a.tif")


async def test_a_secret_goes_to_its_own_host_only(runs: Runs) -> None:
    for chain in (runs.world.chain, runs.world.users):
        assert chain.storage.requests
        for request in chain.storage.requests:
            assert "authorization" not in request.headers
            assert "cookie" not in request.headers
    assert [request.headers["authorization"] for request in runs.world.bearer.requests]
    assert not [request for request in runs.world.bearer.requests if "x-api-key" in request.headers]
    assert runs.world.paying.assumed >= 3
    assert all("x-amz-request-payer" in seen.headers for seen in runs.world.paying.seen)
    keys = {seen.headers["ocp-apim-subscription-key"] for seen in runs.world.tokens.seen}
    assert keys == {"pl4nted-subscription-key"}


async def test_log_says_which_block_serves_which_host(runs: Runs) -> None:
    assert runs.by_slug is not None
    said = await log_of(runs.by_slug, "Finished in state")
    for name, host in {
        "chain": runs.world.chain.data_url,
        "users": runs.world.users.data_url,
        "bearer": runs.world.bearer.url,
        "oauth2": runs.world.oauth2.url,
        "planetary": runs.world.azurite.url,
    }.items():
        assert f"{host}/ uses block '{runs.slugs[name]}'" in said
    assert f"s3://{BUCKET}/ uses block '{runs.slugs['signed']}'" in said
    assert f"paid/a.tif uses block '{runs.slugs['paying']}'" in said


async def test_log_says_which_block_serves_nothing(runs: Runs, tmp_path: Path, made: World) -> None:
    credentials = [made.blocks["basic"], made.blocks["bearer"]]
    state = await flows.download_item(
        made.item("bearer"), str(tmp_path), credentials=credentials, return_state=True
    )
    run, _ = await read_back(state, 3)
    said = await log_of(run, "Finished in state")
    assert "block 'http-credentials/my-basic' is not used by any asset" in said
    assert "block 'http-credentials/my-bearer' is not used" not in said


async def test_every_form_of_a_reference_is_accepted_for_every_block(runs: Runs, idle: str) -> None:
    """The server validates it, and so does the run, which makes a block of it."""
    slugs = [blocks.ref(slug) for slug in runs.slugs.values()]
    ids = [{"$ref": str(number)} for number in runs.ids.values()]
    of_form = [runs.of_form(name) for name in runs.world.blocks]
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(idle)
        for credentials in (slugs, ids, of_form, *of_form):
            parameters = {"source": "/x", "directory": "/y", "credentials": credentials}
            run = await client.create_flow_run_from_deployment(
                deployment.id, parameters=parameters, state=Cancelled()
            )
            assert run.parameters == parameters
    # Real runs were made with the other forms.
    parameters = {"source": "/x", "directory": "/y", "credentials": ids}
    valid = await asyncio.to_thread(flows.download_item.validate_parameters, parameters)
    found = [(type(one), one._block_document_name) for one in valid["credentials"]]
    assert found == [(type(block), f"my-{name}") for name, block in runs.world.blocks.items()]


async def test_fields_of_a_block_are_refused_before_anybody_stores_them(
    idle: str, tmp_path: Path, made: World
) -> None:
    parameters = {"source": made.item("bearer"), "directory": str(tmp_path)}
    fields = {"hosts": [made.bearer.url], "token": SECRETS["http token"]}
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(idle)
        # A block goes there as asterisks.
        with pytest.raises(PrefectHTTPStatusError, match="409"):
            await client.create_flow_run_from_deployment(
                deployment.id, parameters={**parameters, "credentials": made.blocks["bearer"]}
            )
        for credentials in (fields, [fields]):
            with pytest.raises(PrefectHTTPStatusError) as caught:
                await client.create_flow_run_from_deployment(
                    deployment.id, parameters={**parameters, "credentials": credentials}
                )
            assert caught.value.response.status_code == 409
            # What `prefect.yaml` has by id or template becomes that, and is not deployed.
            with pytest.raises(DeploymentApplyError, match="422"):
                await deploy(flows.download_item, "nobody", parameters={"credentials": credentials})
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


async def test_secrets_are_nowhere(
    runs: Runs, tmp_path_factory: pytest.TempPathFactory, made: World
) -> None:
    assert made.found_in(runs.direct.encode()) == []
    assert "DEBUG" in runs.direct
    rows = await stored_rows()
    assert rows
    assert {table for table, row in rows if made.found_in(row.encode())} == set()
    storage = PREFECT_LOCAL_STORAGE_PATH.value()
    results = [path for path in storage.rglob("*") if path.is_file()]
    assert results
    logs = [path for path in tmp_path_factory.getbasetemp().rglob("worker.log")]
    assert any(b"DEBUG" in log.read_bytes() for log in logs)
    documents = [path for path in runs.folder.rglob("*.json*")]
    assert documents
    for path in [*results, *logs, *documents]:
        assert made.found_in(path.read_bytes()) == [], path


async def test_inspecting_a_block_shows_no_secret(runs: Runs, made: World) -> None:
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "prefect", "block", "inspect", runs.slugs["basic"]],
        env={**os.environ, **settings, "COLUMNS": "300"},
        cwd=ROOT,
        capture_output=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert b"my-basic" in done.stdout
    assert made.found_in(done.stdout + done.stderr) == []
    async with get_client() as client:
        for name in NAMES[:-2]:
            kind, _, slug = runs.slugs[name].partition("/")
            document = await client.read_block_document_by_name(slug, kind, include_secrets=False)
            assert made.found_in(document.model_dump_json().encode()) == [], name


async def test_what_tasks_exchange_holds_no_secret(runs: Runs, made: World) -> None:
    for name, block in made.blocks.items():
        (reference,) = references(block)
        pickled = pickle.dumps(reference)
        assert pickle.loads(pickled) == BlockReference(runs.slugs[name])
        assert made.found_in(pickled + repr(reference).encode()) == []
        if name not in ("aws", "minio"):
            pickled = pickle.dumps(block)
            assert made.found_in(pickled) == []
            assert await asyncio.to_thread(pickle.loads, pickled) == block


async def test_submitted_tasks_load_the_blocks_themselves(runs: Runs, tmp_path: Path) -> None:
    threaded = flows.download_item.with_options(task_runner=ThreadPoolTaskRunner(max_workers=2))
    result = await threaded(
        runs.world.item("bearer"), str(tmp_path), credentials=runs.world.blocks["bearer"]
    )
    assert result.downloaded == 1


async def test_submitted_tasks_refuse_a_block_that_is_not_saved(
    runs: Runs, tmp_path: Path, made: World
) -> None:
    unsaved = blocks.HttpCredentials(hosts=[made.bearer.url], token="pl4nted-http-token")
    result = await flows.download_item(made.item("bearer"), str(tmp_path), credentials=unsaved)
    assert result.downloaded == 1
    threaded = flows.download_item.with_options(task_runner=ThreadPoolTaskRunner(max_workers=2))
    state = await threaded(
        made.item("bearer"), str(tmp_path / "2"), credentials=unsaved, return_state=True
    )
    _, task_runs = await read_back(state, 1)
    assert set(states(task_runs)) == {f"client for {made.bearer.url}/"}
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ConfigError)
    assert "The HttpCredentials block is not saved and cannot be referenced. Save the block" in str(
        error
    )
    with pytest.raises(ConfigError, match="Save the block with"):
        pickle.dumps(unsaved)


WRONG: dict[str, Any] = {
    "chain": {"token": "wr0ng"},
    "users": {"password": "wr0ng"},
    "paying": {"secret_access_key": "wr0ng"},
    "signed": {"secret_access_key": "wr0ng"},
    "bearer": {"token": "wr0ng"},
    "oauth2": {"client_secret": "wr0ng"},
    "passwords": {"password": "wr0ng"},
}
HOSTS = {
    "chain": lambda made: made.chain.data_url,
    "users": lambda made: made.users.data_url,
    "paying": lambda made: made.paying.url,
    "signed": lambda made: made.s3,
    "bearer": lambda made: made.bearer.url,
    "oauth2": lambda made: made.oauth2.url,
    "passwords": lambda made: made.passwords.url,
    "planetary": lambda made: made.azurite.url,
}


async def test_a_wrong_credential_is_one_sentence_and_no_storm(
    runs: Runs, made: World, tmp_path: Path
) -> None:
    wrong = []
    for name, fields in WRONG.items():
        block = made.blocks[name]
        secret = {
            field: getattr(value, "get_secret_value", lambda value=value: value)()
            for field, value in block
        }
        changed = type(block)(**{**secret, **fields})
        await Block.asave(changed, f"wrong-{name}")
        wrong.append(changed)
    await Block.asave(made.blocks["planetary"], "wrong-planetary")
    wrong.append(made.blocks["planetary"])
    made.tokens.faults = [(401, {})] * 50
    for seen in (made.chain.seen, made.users.seen, made.paying.seen, made.tokens.seen):
        seen.clear()
    made.bearer.forget()
    for server in (made.oauth2, made.passwords):
        server.forms.clear()
        server.files.clear()
    made.users.given = made.paying.assumed = 0
    # Prefect's retries are for what may pass, and a wrong credential does not.
    options = DownloadOptions(**OPTIONS, retries=2, retry_delay=0)
    try:
        state = await flows.download_item(
            made.item(*HOSTS), str(tmp_path), options, credentials=wrong, return_state=True
        )
    finally:
        made.tokens.faults.clear()
        await Block.adelete("planetary-computer-credentials/wrong-planetary")
    error = await state.aresult(raise_on_failure=False)
    assert len(error.exceptions) == sum(len(made.hrefs[name]) for name in HOSTS)
    for name, host_of in HOSTS.items():
        kind = made.blocks[name].get_block_type_slug()
        own = [one for one in error.exceptions if one.key.partition("-")[0] == name]
        assert len(own) == len(made.hrefs[name])
        for one in own:
            host = host_of(made).partition("://")[2]
            text = str(one)
            assert f"block '{kind}/wrong-{name}'" in text
            assert host in text
            assert "\n" not in text
            assert "wr0ng" not in text
    assert [seen.path for seen in made.chain.seen] == ["/a.tif", "/oauth/authorize"]
    assert [seen.path for seen in made.users.seen] == ["/api/users/find_or_create_token"]
    assert len(made.bearer.requests) == 1
    assert [len(server.forms) for server in (made.oauth2, made.passwords)] == [1, 1]
    assert not made.oauth2.files
    assert len(made.tokens.seen) == 1
    assert made.paying.assumed <= 2
    assert not made.paying.seen


@pytest.mark.parametrize(
    ("href", "storage", "kind", "reason"),
    [
        (
            "https://data.lpdaac.earthdatacloud.nasa.gov/a.tif",
            {},
            "EarthdataCredentials",
            "No Earthdata token is configured",
        ),
        (
            "s3://usgs-landsat/a.tif",
            {"storage:requester_pays": True},
            "S3Credentials",
            "Requester pays is enabled for s3://usgs-landsat/",
        ),
    ],
)
async def test_a_missing_credential_fails_before_any_asset_task_and_names_the_block(
    runs: Runs, tmp_path: Path, href: str, storage: dict[str, Any], kind: str, reason: str
) -> None:
    document = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/storage/v1.0.0/schema.json"],
        "id": "missing",
        "geometry": None,
        "properties": {"datetime": "2026-06-01T00:00:00Z"},
        "links": [],
        "assets": {"a": {"href": href, **storage}},
    }
    state = await flows.download_item(
        json.dumps(document),
        str(tmp_path),
        credentials=runs.world.blocks["bearer"],
        return_state=True,
    )
    _, task_runs = await read_back(state, 1)
    assert [name.partition(" ")[0] for name in states(task_runs)] == ["client"]
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, MissingCredentialError)
    assert f"Pass a saved {kind} block as `credentials`" in str(error)
    assert reason in str(error)
    assert href.rpartition("/")[0] in str(error)


EARTHDATA = "https://data.lpdaac.earthdatacloud.nasa.gov"


async def test_a_credential_that_other_addresses_make_up_for_is_only_warned_of(
    origin: Origin, tmp_path: Path
) -> None:
    document = item_document(origin, "a")
    alternate = {"ed": {"href": f"{EARTHDATA}/a.tif"}}
    document["assets"]["a"]["alternate"] = alternate
    options = DownloadOptions(alternate_assets=["ed"])
    source = origin.put("/item.json", json.dumps(document).encode())
    state = await flows.download_item(source, str(tmp_path), options, return_state=True)
    assert (await state.aresult()).downloaded == 1
    run, task_runs = await read_back(state, 3)
    assert {state for state, _ in states(task_runs).values()} == {"Completed"}
    said = await log_of(run, "Finished in state")
    assert f"Credentials for {EARTHDATA}/ are missing. Pass a saved Earthdata" in said
    assert "Using alternate hrefs of the same assets" in said
    document["assets"]["b"] = {"href": f"{EARTHDATA}/b.tif"}
    origin.put("/item.json", json.dumps(document).encode())
    with pytest.raises(MissingCredentialError, match="Pass a saved EarthdataCredentials block"):
        await flows.download_item(source, str(tmp_path / "2"), options)


@pytest.mark.parametrize("missing", ["asset", "source"])
async def test_repair_names_the_block_that_is_missing(
    origin: Origin, tmp_path: Path, missing: str
) -> None:
    await flows.download_item(make_item(origin, "a", "b"), str(tmp_path))
    (tmp_path / "a.tif").unlink()
    (tmp_path / "b.tif").unlink()
    if missing == "asset":
        document = item_document(origin, "a")
        document["assets"]["b"] = {"href": f"{EARTHDATA}/b.tif"}
        origin.put("/item.json", json.dumps(document).encode())
    else:
        written = (tmp_path / "the-item.json").read_text()
        (tmp_path / "the-item.json").write_text(written.replace(origin.url, EARTHDATA))
    origin.forget()
    with pytest.raises(MissingCredentialError, match="Pass a saved EarthdataCredentials block"):
        await flows.verify(str(tmp_path), repair=True)
    assert origin.gets("/*.tif") == []


async def test_log_of_a_repair_says_which_block_serves_which_host(
    origin: Origin, tmp_path: Path
) -> None:
    block = blocks.HttpCredentials(hosts=[origin.url], token="pl4nted-http-token")
    await Block.asave(block, "repairs")
    await flows.download_item(make_item(origin, "a"), str(tmp_path))
    (tmp_path / "a.tif").unlink()
    state = await flows.verify(str(tmp_path), repair=True, credentials=block, return_state=True)
    run, _ = await read_back(state, 2)
    said = await log_of(run, "Finished in state")
    assert f"{origin.url}/ uses block 'http-credentials/repairs'" in said
