"""Credentials that a server rejects, and blocks that are not saved."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.flows import DownloadOptions
from stac_asset.errors import ConfigError
from tests.support.credential_runs import OPTIONS
from tests.support.prefect_reads import read_back, states
from tests.support.providers import Providers


async def test_submitted_tasks_reject_unsaved_block(tmp_path: Path, providers: Providers) -> None:
    unsaved = blocks.HttpCredentials(hosts=[providers.bearer.url], token="pl4nted-http-token")
    result = await flows.download_item(providers.item("bearer"), str(tmp_path), credentials=unsaved)
    assert result.downloaded == 1
    threaded = flows.download_item.with_options(task_runner=ThreadPoolTaskRunner(max_workers=2))
    state = await threaded(
        providers.item("bearer"), str(tmp_path / "2"), credentials=unsaved, return_state=True
    )
    _, task_runs = await read_back(state, 1)
    assert set(states(task_runs)) == {f"client for {providers.bearer.url}/"}
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, ConfigError)
    assert "The HttpCredentials block is not saved and cannot be referenced. Save the block" in str(
        error
    )
    with pytest.raises(ConfigError, match="Save the block with"):
        pickle.dumps(unsaved)


WRONG_FIELDS: dict[str, Any] = {
    "earthdata-token": {"token": "wr0ng"},
    "earthdata-login": {"password": "wr0ng"},
    "requester-pays": {"secret_access_key": "wr0ng"},
    "s3-keys": {"secret_access_key": "wr0ng"},
    "bearer": {"token": "wr0ng"},
    "oauth2": {"client_secret": "wr0ng"},
    "oauth2-password": {"password": "wr0ng"},
}
HOSTS = {
    "earthdata-token": lambda providers: providers.earthdata_token.data_url,
    "earthdata-login": lambda providers: providers.earthdata_login.data_url,
    "requester-pays": lambda providers: providers.requester_pays.url,
    "s3-keys": lambda providers: providers.s3,
    "bearer": lambda providers: providers.bearer.url,
    "oauth2": lambda providers: providers.oauth2.url,
    "oauth2-password": lambda providers: providers.oauth2_password.url,
    "planetary": lambda providers: providers.azurite.url,
}


async def test_rejected_credential_is_reported_once_without_repeated_requests(
    providers: Providers, tmp_path: Path
) -> None:
    wrong_blocks = []
    for name, fields in WRONG_FIELDS.items():
        block = providers.blocks[name]
        secret = {
            field: getattr(value, "get_secret_value", lambda value=value: value)()
            for field, value in block
        }
        changed = type(block)(**{**secret, **fields})
        await Block.asave(changed, f"wrong-{name}")
        wrong_blocks.append(changed)
    await Block.asave(providers.blocks["planetary"], "wrong-planetary")
    wrong_blocks.append(providers.blocks["planetary"])
    providers.sas_endpoint.faults = [(401, {})] * 50
    for seen in (
        providers.earthdata_token.seen,
        providers.earthdata_login.seen,
        providers.requester_pays.seen,
        providers.sas_endpoint.seen,
    ):
        seen.clear()
    providers.bearer.forget()
    for server in (providers.oauth2, providers.oauth2_password):
        server.forms.clear()
        server.files.clear()
    providers.earthdata_login.given = providers.requester_pays.assumed = 0
    # A wrong credential is a permanent error, so Prefect's retries must not run.
    options = DownloadOptions(**OPTIONS, retries=2, retry_delay=0)
    try:
        state = await flows.download_item(
            providers.item(*HOSTS),
            str(tmp_path),
            options,
            credentials=wrong_blocks,
            return_state=True,
        )
    finally:
        providers.sas_endpoint.faults.clear()
        await Block.adelete("planetary-computer-credentials/wrong-planetary")
    error = await state.aresult(raise_on_failure=False)
    assert len(error.exceptions) == sum(len(providers.hrefs[name]) for name in HOSTS)
    for name, host_of in HOSTS.items():
        kind = providers.blocks[name].get_block_type_slug()
        errors = [found for found in error.exceptions if found.key.rpartition("-")[0] == name]
        assert len(errors) == len(providers.hrefs[name])
        for found in errors:
            host = host_of(providers).partition("://")[2]
            text = str(found)
            assert f"block '{kind}/wrong-{name}'" in text
            assert host in text
            assert "\n" not in text
            assert "wr0ng" not in text
    assert [seen.path for seen in providers.earthdata_token.seen] == ["/a.tif", "/oauth/authorize"]
    assert [seen.path for seen in providers.earthdata_login.seen] == [
        "/api/users/find_or_create_token"
    ]
    assert len(providers.bearer.requests) == 1
    assert [len(server.forms) for server in (providers.oauth2, providers.oauth2_password)] == [1, 1]
    assert not providers.oauth2.files
    assert len(providers.sas_endpoint.seen) == 1
    assert providers.requester_pays.assumed <= 2
    assert not providers.requester_pays.seen
