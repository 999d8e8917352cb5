"""The commands `stac-asset blocks` and `prefect block register` on a Prefect server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from socket import socket
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from prefect_stac_asset.blocks import HttpCredentials, S3Credentials
from prefect_stac_asset.blocks.references import load_reference
from scripts.site_pages.command_results import RESULTS
from stac_asset.cli.app import app
from stac_asset.errors import ConfigError, StacAssetError
from stac_asset.testing import Origin
from tests.support.cli import run_command as run_command_here
from tests.support.paths import ROOT
from tests.support.prefect_environment import PREPARED_PYTHON, import_path
from tests.support.server_logs import unexpected_errors

pytestmark = pytest.mark.usefixtures("prefect_test")

STAC_ASSET = ["-c", "from stac_asset.cli import main; main()", "blocks"]
SECRET = "pl4nted-token"


@dataclass
class CommandResult:
    """Exit code and output of a process."""

    code: int
    output: str
    errors: str


async def run_command(*arguments: str) -> CommandResult:
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    done = await asyncio.to_thread(
        subprocess.run,
        [*PREPARED_PYTHON, *arguments],
        env={**os.environ, **settings, "PYTHONPATH": import_path(), "COLUMNS": "300"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert unexpected_errors(f"{done.stdout}\n{done.stderr}") == []
    return CommandResult(done.returncode, done.stdout, done.stderr)


async def test_prefect_command_registers_block_types() -> None:
    done = await run_command(
        "-m", "prefect", "block", "register", "-m", "prefect_stac_asset.blocks"
    )
    assert done.code == 0, done.errors
    async with get_client() as client:
        for slug in ("earthdata", "s3", "planetary-computer", "http", "oauth2"):
            kind = await client.read_block_type_by_slug(f"{slug}-credentials")
            assert kind.name in done.output
            assert kind.logo_url is None
            assert kind.code_example


async def save_like_the_form(name: str, **data: Any) -> UUID:
    """Save a block without validation, as Prefect's server does, and return its id."""
    async with get_client() as client:
        kind = await client.read_block_type_by_slug("http-credentials")
        schema = await client.get_most_recent_block_schema_for_block_type(kind.id)
        assert schema is not None
        document = BlockDocumentCreate(
            name=name, data=data, block_type_id=kind.id, block_schema_id=schema.id
        )
        with suppress(ObjectAlreadyExists):
            await client.create_block_document(document)
        saved = await client.read_block_document_by_name(name, "http-credentials")
        return saved.id


async def test_invalid_saved_block_is_reported_with_type_name_field_and_reason(
    protected_origin: Origin,
) -> None:
    saved = await save_like_the_form("from-the-form", hosts=["127.0.0.1:7811/files"])
    for reference in (str(saved), {"block_document_slug": "http-credentials/from-the-form"}):
        with pytest.raises(ConfigError) as caught:
            await asyncio.to_thread(load_reference, {"$ref": reference})
        assert str(caught.value) == (
            "Block 'from-the-form' of type HttpCredentials is invalid: hosts: "
            "'127.0.0.1:7811/files' is not a host pattern. Use example.com, *.example.com or "
            "http://example.com:8080. Correct the block and save it again."
        )


@pytest.mark.parametrize("arguments", [[], ["check", "valid", "--href", "s3://a/b"]])
def test_command_without_server_fails_at_once(arguments: list[str]) -> None:
    with temporary_settings(restore_defaults=[PREFECT_API_URL]):
        result = CliRunner().invoke(app, ["blocks", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(
        "No Prefect server is configured. Set `PREFECT_API_URL`"
    )


@pytest.fixture
async def protected_origin(origin: Origin) -> Origin:
    """An origin that requires a token, with saved blocks that have a valid or an invalid token."""
    origin.require("authorization", f"Bearer {SECRET}")
    origin.put("/a.tif", b"12345678")
    for name, token in (("valid", SECRET), ("invalid", "another")):
        block = HttpCredentials(hosts=[origin.url], token=token)
        await Block.asave(block, name, overwrite=True)
    await save_like_the_form("from-the-form", hosts=["127.0.0.1:7811/files"])
    for other in (HttpCredentials(hosts=["example.com"], token="x"), S3Credentials()):
        await Block.asave(other, "ambiguous", overwrite=True)
    return origin


async def test_saved_blocks_are_listed_and_checked(protected_origin: Origin) -> None:
    href = protected_origin.href("/a.tif")
    listed, good = await asyncio.gather(
        run_command(*STAC_ASSET), run_command(*STAC_ASSET, "check", "valid", "--href", href)
    )
    assert listed.code == 0, listed.errors
    rows = dict(line.strip().split(maxsplit=1) for line in listed.output.splitlines())
    assert {"invalid", "valid", "ambiguous"} <= set(rows["http-credentials"].split(", "))
    assert "ambiguous" in rows["s3-credentials"].split(", ")
    assert "oauth2-credentials" in rows
    assert listed.errors == f"Prefect server: {PREFECT_API_URL.value()}\n"
    problem = (
        "Block 'http-credentials/from-the-form' is invalid: hosts: '127.0.0.1:7811/files' is not a "
        "host pattern. Use example.com, *.example.com or http://example.com:8080."
    )
    assert problem in listed.output.splitlines()
    assert "Block 'http-credentials/valid'" not in listed.output
    assert (good.code, good.output) == (
        0,
        f"block 'http-credentials/valid' can open {href} (8 bytes)\n",
    )
    listed = await asyncio.to_thread(run_command_here, "blocks", "--json")
    found = json.loads(listed.output)
    assert found.keys() == RESULTS["blocks"].keys()
    assert (problem in found["problems"], "valid" in found["blocks"]["http-credentials"]) == (
        True,
        True,
    )
    good = await asyncio.to_thread(
        run_command_here, "blocks", "check", "valid", "--href", href, "--json"
    )
    found = json.loads(good.output)
    assert found == {"block": "block 'http-credentials/valid'", "href": href, "bytes": 8}
    assert found.keys() == RESULTS["blocks check"].keys()


@pytest.mark.parametrize(
    ("name", "href", "message"),
    [
        (
            "http-credentials/invalid",
            "",
            "block 'http-credentials/invalid' was refused by 127.0.0.1",
        ),
        (
            "valid",
            "https://example.com/a",
            "block 'http-credentials/valid' does not apply to https://exa",
        ),
        ("s3-credentials/missing", "s3://a/b", "Block 's3-credentials/missing' is not saved"),
        ("missing", "s3://a/b", "Block 'missing' is not saved"),
        (
            "ambiguous",
            "s3://a/b",
            "Block name 'ambiguous' is ambiguous. Set NAME to s3-credentials/ambiguous or http",
        ),
    ],
)
async def test_check_reports_href_that_block_cannot_open(
    protected_origin: Origin, name: str, href: str, message: str
) -> None:
    href = href or protected_origin.href("/a.tif")
    result = await asyncio.to_thread(
        CliRunner().invoke, app, ["blocks", "check", name, "--href", href]
    )
    assert isinstance(result.exception, StacAssetError)
    assert str(result.exception).startswith(message)
    assert SECRET not in str(result.exception)
    assert len(protected_origin.requests) <= 2  # HEAD, then GET if HEAD fails.


async def test_check_names_the_scheme_that_a_host_needs(protected_origin: Origin) -> None:
    hosts = [protected_origin.url.removeprefix("http://")]
    await Block.asave(HttpCredentials(hosts=hosts, token=SECRET), "without-scheme", overwrite=True)
    href = protected_origin.href("/a.tif")
    result = await asyncio.to_thread(
        CliRunner().invoke, app, ["blocks", "check", "without-scheme", "--href", href]
    )
    assert str(result.exception) == (
        f"block 'http-credentials/without-scheme' does not apply to {href}. Hosts without a "
        "scheme are for https, and hosts without a port for the default port. Set `hosts` to "
        f"['{protected_origin.url}']."
    )


@pytest.mark.parametrize(
    "arguments", [[], ["check", "valid", "--href", "https://example.com/a"]], ids=["list", "check"]
)
async def test_unavailable_prefect_api_is_reported(origin: Origin, arguments: list[str]) -> None:
    origin.require("authorization", "unknown")
    other = PREFECT_API_URL.value().removeprefix("http://").replace("/api", "/other")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{free.getsockname()[1]}/api"
        unauthorized = f"{origin.url.removeprefix('http://')}/api"
        for address, message in {
            closed: f"http://{closed} is unreachable (All connection attempts failed). Check "
            "`PREFECT_API_URL`.",
            unauthorized: f"http://{unauthorized} returned 401 Unauthorized. Check "
            "`PREFECT_API_URL` and `PREFECT_API_KEY` or `PREFECT_API_AUTH_STRING`.",
            other: f"http://{other} returned 404 Not Found. Check `PREFECT_API_URL`.",
        }.items():
            with temporary_settings({PREFECT_API_URL: f"http://user:{SECRET}@{address}"}):
                result = await asyncio.to_thread(CliRunner().invoke, app, ["blocks", *arguments])
            assert isinstance(result.exception, StacAssetError)
            assert str(result.exception) == f"Prefect's API {message}"
    requests = [request for request in origin.requests if request.path.endswith("/block_documents")]
    assert requests
    assert all("include_secrets=false" in request.query for request in requests)
