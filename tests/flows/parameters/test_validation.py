"""Validation of flow parameters, and results and errors returned to callers."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.exceptions import CancelledRun, ParameterTypeError, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from prefect.states import Cancelling

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.parameters.validation import bound_parameters
from stac_asset.errors import ConfigError, DownloadError, SourceError
from stac_asset.testing import Origin, Stall, Status
from tests.support.items import item_document, make_item
from tests.support.paths import ROOT
from tests.support.prefect_environment import PREPARED_PYTHON, prefect_environment
from tests.support.prefect_server import stored_rows
from tests.support.processes import wait_until

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=1)
SECRET = "pl4nted-secret"
SIGNATURE = "pl4nted-signature"


@pytest.mark.parametrize("called", ["directly", "as a subflow"])
async def test_caller_receives_result_of_completed_attempt(
    origin: Origin, tmp_path: Path, called: str
) -> None:
    origin.fault("/a.tif", Status(500), times=1)
    retried = flows.download_item.with_options(retries=1, retry_delay_seconds=0)
    source = make_item(origin, "a")

    @flow
    async def parent() -> Any:
        return await retried(source, str(tmp_path), OPTIONS)

    result = await (parent() if called == "as a subflow" else parent.fn())
    assert result.downloaded == 1
    assert len(origin.gets("/a.tif")) == 2


async def test_caller_receives_error_of_last_attempt(origin: Origin, tmp_path: Path) -> None:
    source = make_item(origin, "a")
    origin.fault("/a.tif", Status(500), times=1)
    origin.fault("/a.tif", Status(403), times=1)
    retried = flows.download_item.with_options(retries=1, retry_delay_seconds=0)
    with pytest.raises(DownloadError, match="403") as caught:
        await retried(source, str(tmp_path), OPTIONS)
    assert [type(error).__name__ for error in caught.value.exceptions] == ["ResponseForbiddenError"]
    # A copy loaded by Prefect would have no traceback of the failed asset.
    assert caught.value.exceptions[0].__traceback__ is not None
    assert [entry.path for entry in caught.traceback] == [Path(__file__)]


@pytest.mark.parametrize("ending", ["success", "failure"])
async def test_cancelled_run_raises_cancelled_run_error(
    origin: Origin, tmp_path: Path, ending: str
) -> None:
    origin.fault("/a.tif", Stall(), times=0)
    patient = DownloadOptions(http_read_timeout=1, retry_wait=0.01, http_max_attempts=1000)
    source = make_item(origin, "a")
    running = asyncio.ensure_future(flows.download_item(source, str(tmp_path), patient))
    await wait_until(lambda: origin.gets("/a.tif"))
    named = FlowRunFilter(name=FlowRunFilterName(any_=[f"download item.json to {tmp_path}"]))
    async with get_client() as client:
        (run,) = await client.read_flow_runs(flow_run_filter=named)
        await client.set_flow_run_state(run.id, Cancelling(), force=True)
    if ending == "failure":
        origin.remove("/a.tif")
    origin.heal()
    with pytest.raises(CancelledRun, match="was cancelled"):
        await running


async def test_largest_source_is_accepted_and_larger_source_is_rejected(
    origin: Origin, tmp_path: Path
) -> None:
    document = item_document(origin, "a")
    limit = get_current_settings().server.api.max_parameter_size

    def parameters(extra: int) -> dict[str, Any]:
        document["properties"]["title"] = '"é' * 30_000 + "x" * extra
        return {
            "source": json.dumps(document, ensure_ascii=False),
            "directory": str(tmp_path),
            "options": OPTIONS,
        }

    def serialized(given: dict[str, Any]) -> dict[str, Any]:
        flow = flows.download_item
        return flow.serialize_parameters(bound_parameters(flow.fn, (), given))

    extra = limit - len(json.dumps(serialized(parameters(0)), separators=(",", ":")))
    largest, too_large = parameters(extra), parameters(extra + 1)
    assert len(largest["source"].encode()) < limit - 50_000
    assert (await flows.download_item(**largest)).downloaded == 1
    async with get_client() as client:
        with pytest.raises(PrefectHTTPStatusError, match="422"):
            await client.create_flow_run(flows.download_item, parameters=serialized(too_large))
    with pytest.raises(SourceError) as caught:
        await flows.download_item(**too_large)
    assert str(caught.value).startswith("Parameter `source` has 52")
    assert str(caught.value).endswith("to a file or an object store and pass its href.")
    assert len(str(caught.value)) < 300
    include = DownloadOptions(include=["key" * 1000] * 200)
    with pytest.raises(ConfigError, match=r"^Parameter `options` has 602,"):
        await flows.download_item("/nowhere.json", str(tmp_path), include)


_CALLS_FROM_STDIN = """
import asyncio, json, sys, traceback
from prefect_stac_asset import flows

async def main():
    for name, parameters in json.load(sys.stdin):
        try:
            await getattr(flows, name)(*parameters.pop("args", ()), **parameters)
        except Exception:
            traceback.print_exc()

asyncio.run(main())
"""


async def test_rejected_parameters_are_not_stored_or_logged(origin: Origin, tmp_path: Path) -> None:
    signed = f"{make_item(origin, 'a')}?sig={SIGNATURE}"
    required = {"source": signed, "directory": str(tmp_path)}
    header = {"Authorization": f"Bearer {SECRET}"}
    rejected: dict[str, tuple[str, dict[str, Any]]] = {
        "`options.http_headers` is a secret": (
            "download_item",
            required | {"options": {"http_headers": header}},
        ),
        "`options.oauth2_client_secret` is a secret": (
            "check_assets",
            {"source": signed, "options": {"oauth2": {"oauth2_client_secret": SECRET}}},
        ),
        "options.include.0: Input should be a valid string": (
            "download_item",
            required | {"options": {"include": [header]}},
        ),
        "options: Input should be a valid dictionary": (
            "verify",
            {"directory": str(tmp_path), "options": SECRET},
        ),
        "granularity: Input should be 'auto', 'asset' or 'batch'": (
            "download_item_collection",
            required | {"granularity": SECRET},
        ),
        "source: Input should be a valid string": (
            "download_collection",
            required | {"source": {"links": [{"href": SECRET}]}},
        ),
        "search.token: unknown parameter": ("sync", required | {"search": {"token": SECRET}}),
        "search.filter: Input should be a valid string or a valid dictionary": (
            "sync",
            required | {"search": {"filter": [SECRET]}},
        ),
        "got an unexpected keyword argument 'headers'": (
            "download_item",
            {"args": [signed, str(tmp_path)], "headers": header},
        ),
        "`credentials` must be saved blocks": (
            "download_item",
            required | {"credentials": {"$ref": {"token": SECRET}}},
        ),
        "source: the URL contains a secret (`sig`), and Prefect stores": (
            "download_item",
            required,
        ),
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [*PREPARED_PYTHON, "-c", _CALLS_FROM_STDIN],
        input=json.dumps(list(rejected.values())).encode(),
        env=prefect_environment(
            PREFECT_LOGGING_LEVEL="DEBUG", PREFECT_LOGGING_INTERNAL_LEVEL="DEBUG"
        ),
        cwd=ROOT,
        capture_output=True,
        timeout=250,
    )
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, output
    assert "DEBUG" in output
    for sentence in rejected:
        assert sentence in output
    assert SECRET not in output
    assert SIGNATURE not in output
    assert origin.requests == []
    rows = await stored_rows()
    assert not [table for table, row in rows if SECRET in row or SIGNATURE in row]


@pytest.mark.parametrize(
    ("credentials", "error", "sentence"),
    [
        (
            blocks.ref("http-credentials/unknown"),
            ConfigError,
            "Block 'http-credentials/unknown' is not saved. Run `stac-asset blocks`",
        ),
        (
            [{"$ref": "8ef1ce6b-ed1b-4ee0-9c0c-3b0fdc1d1d1c"}],
            ConfigError,
            "Block '8ef1ce6b-ed1b-4ee0-9c0c-3b0fdc1d1d1c' is not saved",
        ),
        (
            "http-credentials/mine",
            ParameterTypeError,
            "`credentials` must be saved blocks or references made by `blocks.ref`, not str.",
        ),
        (asyncio.sleep(0), ParameterTypeError, "not coroutine. Await it, as in `await Http"),
        (
            Secret(value=SECRET),
            ConfigError,
            "Secret is not a supported credential block. Use one of Earthdata",
        ),
    ],
    ids=["unknown slug", "unknown ID", "plain string", "unawaited coroutine", "unsupported block"],
)
async def test_invalid_credentials_are_rejected_with_one_line_error(
    origin: Origin, tmp_path: Path, credentials: Any, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        await flows.download_item(make_item(origin, "a"), str(tmp_path), credentials=credentials)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert origin.requests == []


async def test_task_accepts_block_references_as_credentials(origin: Origin) -> None:
    origin.require("authorization", f"Bearer {SECRET}")
    href = origin.put("/a.tif", b"12345678")
    block = blocks.HttpCredentials(hosts=[origin.url], token=SECRET)
    await Block.asave(block, "for-a-task")

    # Not a parameter of the flow: Prefect would load the block before the task runs.
    given: list[Any] = []

    @flow
    async def own_flow() -> Any:
        return await flows.check_asset_exists(href, credentials=given[0])

    reference = blocks.ref("http-credentials/for-a-task")
    for given[:] in ([reference], [[reference]]):
        assert (await own_flow()).size == 8
    for given[:] in (["http-credentials/for-a-task"], [{"token": SECRET}]):
        with pytest.raises(
            ConfigError, match=r"A (str|dict) is not a block reference. Use `BlockRef"
        ):
            await own_flow()


@pytest.mark.parametrize(
    ("flow_name", "source", "sentence"),
    [
        (
            "check_assets",
            b"<!DOCTYPE html>\n<html>\n<title>a</title>",
            "/source.json' cannot be used: the source sent an HTML page",
        ),
        (
            "check_assets",
            b"\xff\xd8\xff",
            "/source.json' is not valid JSON: the text is not valid UTF-8.",
        ),
        (
            "download_item_collection",
            "ftp://example.com/items.json",
            "'ftp://example.com/items.json' cannot be read: No client",
        ),
        (
            "download_item_collection",
            b'{"type": "FeatureCollection", "features": [{"type": "Feature"}, 3]}',
            "/source.json' is not a valid item collection: item 1 is not valid STAC: ",
        ),
        (
            "download_item",
            "[" * 100_000,
            "`source` is not valid JSON: the values are nested too deeply",
        ),
    ],
    ids=["HTML page", "binary data", "unsupported scheme", "invalid item", "deep nesting"],
)
async def test_invalid_source_is_rejected_with_one_line_error(
    origin: Origin, tmp_path: Path, flow_name: str, source: str | bytes, sentence: str
) -> None:
    href = source if isinstance(source, str) else origin.put("/source.json", source)
    arguments = {} if flow_name == "check_assets" else {"directory": str(tmp_path)}
    with pytest.raises(SourceError) as caught:
        await getattr(flows, flow_name)(href, **arguments)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
