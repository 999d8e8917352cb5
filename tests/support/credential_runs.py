"""Flow runs with the credentials of all providers, from saved blocks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from prefect_stac_asset import blocks, flows
from tests.support.paths import ROOT
from tests.support.prefect_environment import PREPARED_PYTHON, prefect_environment
from tests.support.processes import poll
from tests.support.providers import Providers
from tests.support.workers import deploy

DEBUG = {"PREFECT_LOGGING_LEVEL": "DEBUG"}
OPTIONS = {
    "file_name_strategy": "KEY",
    "max_concurrent_downloads": 1,
    "http_max_attempts": 3,
    "retry_wait": 0.01,
}
_DIRECT_CALL = """
import asyncio, json, sys
from prefect_stac_asset import flows
from prefect.blocks.core import Block

async def main():
    source, directory, options, slugs = json.loads(sys.stdin.read())
    credentials = [await Block.aload(slug) for slug in slugs]
    options = flows.DownloadOptions(**options)
    result = await flows.download_item(source, directory, options, credentials=credentials)
    print(result.summary())

asyncio.run(main())
"""


@dataclass
class Runs:
    """Three runs over the files of all providers, with the saved blocks and the output.

    Attributes:
        providers: The servers and their blocks.
        folder: Folder with a subfolder of downloaded files for each run.
        slugs: Slugs of the saved blocks, by provider name.
        ids: Ids of the saved blocks, by provider name.
        used: Provider names used in each run: `by-slug`, `by-id` and `direct`.
        by_slug: Deployment run with references by slug, as in `prefect.yaml`.
        by_id: Deployment run with references by id, as sent by the form of the UI.
        direct_output: Output of a process that called the flow with blocks as credentials.
        direct_exit_code: Exit code of this process.
    """

    providers: Providers
    folder: Path
    slugs: dict[str, str] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    used: dict[str, list[str]] = field(default_factory=dict)
    by_slug: FlowRun | None = None
    by_id: FlowRun | None = None
    direct_output: str = ""
    direct_exit_code: int | None = None

    def form_reference(self, name: str) -> dict[str, Any]:
        """Return a reference as sent by the form of the UI."""
        return {"$ref": {"block_document_id": str(self.ids[name])}}


async def run_with_all_providers(providers: Providers, folder: Path, pool: str) -> Runs:
    """Save the blocks of all providers, and run the flow in three processes concurrently.

    Each OAuth2 server revokes a token when it issues the next, so only one run uses each server.

    Args:
        providers: The running servers.
        folder: Empty folder for the downloaded files.
        pool: Name of a work pool with a worker.
    """
    runs = Runs(providers, folder)
    for name, block in providers.blocks.items():
        runs.ids[name] = await Block.asave(block, f"my-{name}")
        runs.slugs[name] = f"{block.get_block_type_slug()}/my-{name}"
    shared = [
        name
        for name in providers.blocks
        if name not in ("aws", "minio", "oauth2", "oauth2-password")
    ]
    runs.used = {
        "by-slug": [*shared, "oauth2", "oauth2-password", "aws"],
        "by-id": [*shared, "minio"],
        "direct": [*shared, "aws"],
    }
    name = await deploy(flows.download_item, pool, job_variables={"env": DEBUG})

    async def run_deployed(key: str, credentials: list[dict[str, Any]]) -> FlowRun:
        parameters = {
            "source": providers.item(*runs.used[key]),
            "directory": str(folder / key),
            "options": OPTIONS,
            "credentials": credentials,
        }
        run: Any = await run_deployment(name, parameters=parameters, timeout=500, poll_interval=1)
        assert isinstance(run, FlowRun)
        return run

    runs.by_slug, runs.by_id, _ = await asyncio.gather(
        run_deployed("by-slug", [blocks.ref(runs.slugs[used]) for used in runs.used["by-slug"]]),
        run_deployed("by-id", [runs.form_reference(used) for used in runs.used["by-id"]]),
        _run_direct_call(runs),
    )
    return runs


async def _run_direct_call(runs: Runs) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*PREPARED_PYTHON, "-c", _DIRECT_CALL),
        cwd=ROOT,
        env=prefect_environment(**DEBUG),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    used = runs.used["direct"]
    slugs = [runs.slugs[name] for name in used]
    arguments = [runs.providers.item(*used), str(runs.folder / "direct"), OPTIONS, slugs]
    output, _ = await process.communicate(json.dumps(arguments).encode())
    runs.direct_output, runs.direct_exit_code = output.decode(), process.returncode


async def read_log(run: FlowRun, last: str) -> str:
    """Return the log of a flow run and all tasks, as soon as the log contains a text.

    Args:
        run: The flow run.
        last: Text of the record to wait for.
    """
    run_filter = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    async with get_client() as client:

        async def read() -> str:
            text = ""
            while page := await client.read_logs(run_filter, limit=200, offset=text.count("\n")):
                text += "".join(log.message.replace("\n", " ") + "\n" for log in page)
            return text

        return await poll(read, lambda text: last in text, interval=0.2)
