"""`stac-asset blocks` and `prefect block register`, as processes, against a real server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from socket import socket

import pytest
from click.testing import CliRunner
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from prefect_stac_asset.blocks import HttpCredentials, S3Credentials
from stac_asset.cli.app import app
from stac_asset.errors import StacAssetError
from stac_asset.testing import Origin
from tests.flows.deploying import ROOT
from tests.server_logs import troubles

STAC_ASSET = ["-c", "from stac_asset.cli import main; main()", "blocks"]
SECRET = "pl4nted-token"


@dataclass
class Done:
    """What a process said."""

    code: int
    output: str
    errors: str


async def run(*arguments: str) -> Done:
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *arguments],
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT), "COLUMNS": "300"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert troubles(f"{done.stdout}\n{done.stderr}") == []
    return Done(done.returncode, done.stdout, done.stderr)


async def test_types_are_registered_by_prefects_command() -> None:
    done = await run("-m", "prefect", "block", "register", "-m", "prefect_stac_asset.blocks")
    assert done.code == 0, done.errors
    async with get_client() as client:
        for slug in ("earthdata", "s3", "planetary-computer", "http", "oauth2"):
            kind = await client.read_block_type_by_slug(f"{slug}-credentials")
            assert kind.name in done.output
            assert str(kind.logo_url).endswith(".png")
            assert kind.code_example


@pytest.fixture
async def saved(origin: Origin) -> Origin:
    """An origin behind a token, and the blocks that open it or do not."""
    origin.require("authorization", f"Bearer {SECRET}")
    origin.put("/a.tif", b"12345678")
    for name, token in (("tried", SECRET), ("refused", "another")):
        block = HttpCredentials(hosts=[origin.url], token=token)
        await Block.asave(block, name, overwrite=True)
    for other in (HttpCredentials(hosts=["example.com"], token="x"), S3Credentials()):
        await Block.asave(other, "twice", overwrite=True)
    return origin


async def test_saved_blocks_are_listed_and_tried(saved: Origin) -> None:
    href = saved.href("/a.tif")
    listed, good = await asyncio.gather(
        run(*STAC_ASSET), run(*STAC_ASSET, "check", "tried", "--href", href)
    )
    assert listed.code == 0, listed.errors
    rows = dict(line.strip().split(maxsplit=1) for line in listed.output.splitlines())
    assert {"refused", "tried", "twice"} <= set(rows["http-credentials"].split(", "))
    assert "twice" in rows["s3-credentials"].split(", ")
    assert "oauth2-credentials" in rows
    assert (good.code, good.output) == (
        0,
        f"block 'http-credentials/tried' can open {href} (8 bytes)\n",
    )


@pytest.mark.parametrize(
    ("name", "href", "sentence"),
    [
        (
            "http-credentials/refused",
            "",
            "block 'http-credentials/refused' was refused by 127.0.0.1",
        ),
        (
            "tried",
            "https://example.com/a",
            "block 'http-credentials/tried' does not apply to https://exa",
        ),
        ("s3-credentials/nobody", "s3://a/b", "Block 's3-credentials/nobody' is not saved"),
        ("nobody", "s3://a/b", "Block 'nobody' is not saved"),
        (
            "twice",
            "s3://a/b",
            "Block name 'twice' is ambiguous. Set NAME to s3-credentials/twice or http-cred",
        ),
    ],
)
async def test_what_a_block_does_not_open_is_said(
    saved: Origin, name: str, href: str, sentence: str
) -> None:
    href = href or saved.href("/a.tif")
    found = await asyncio.to_thread(
        CliRunner().invoke, app, ["blocks", "check", name, "--href", href]
    )
    assert isinstance(found.exception, StacAssetError)
    assert str(found.exception).startswith(sentence)
    assert SECRET not in str(found.exception)
    assert len(saved.requests) <= 2  # HEAD, and GET where that is refused.


@pytest.mark.parametrize(
    "arguments", [[], ["check", "tried", "--href", "https://example.com/a"]], ids=["list", "check"]
)
async def test_api_that_is_not_there_or_refuses_is_one_sentence(
    origin: Origin, arguments: list[str]
) -> None:
    origin.require("authorization", "nobody knows")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{free.getsockname()[1]}/api"
        refusing = f"{origin.url.removeprefix('http://')}/api"
        for address, sentence in {
            closed: f"http://{closed} is unreachable (All connection attempts failed). Check "
            "`PREFECT_API_URL`.",
            refusing: f"http://{refusing} returned 401 Unauthorized. Check `PREFECT_API_URL` and "
            "`PREFECT_API_KEY` or `PREFECT_API_AUTH_STRING`.",
        }.items():
            with temporary_settings({PREFECT_API_URL: f"http://user:{SECRET}@{address}"}):
                found = await asyncio.to_thread(CliRunner().invoke, app, ["blocks", *arguments])
            assert isinstance(found.exception, StacAssetError)
            assert str(found.exception) == f"Prefect's API {sentence}"
    asked = [request for request in origin.requests if request.path.endswith("/block_documents")]
    assert asked
    assert all("include_secrets=false" in request.query for request in asked)
