"""Runs of flows with the credentials of all providers, each from its own saved block."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import get_current_settings

from prefect_stac_asset import blocks, flows
from tests.blocks.world import World
from tests.flows.deploying import ROOT, deploy

DEBUG = {"PREFECT_LOGGING_LEVEL": "DEBUG"}
OPTIONS = {
    "file_name_strategy": "KEY",
    "max_concurrent_downloads": 1,
    "http_max_attempts": 3,
    "retry_wait": 0.01,
}
_DIRECT = """
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
    """What was run, and where its traces are.

    Attributes:
        world: The servers and their blocks.
        slugs: What the blocks are saved as, by their names.
        folder: The folder of the files of each run.
        by_slug: A deployment run with references by slug, as `prefect.yaml` has them.
        by_id: A deployment run with references by id, as the form of the UI sends them.
        direct: What a process that called the flow said, with blocks as its credentials.
    """

    world: World
    folder: Path
    slugs: dict[str, str] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    used: dict[str, list[str]] = field(default_factory=dict)
    by_slug: FlowRun | None = None
    by_id: FlowRun | None = None
    direct: str = ""
    direct_code: int | None = None

    def of_form(self, name: str) -> dict[str, Any]:
        """Returns a reference as the form of the UI sends it."""
        return {"$ref": {"block_document_id": str(self.ids[name])}}


async def make_runs(world: World, folder: Path, pool: str) -> Runs:
    """Saves the blocks of a world, and uses them in three processes at the same time.

    An OAuth2 server's tokens end with the next one, so that only one run uses each of these.
    """
    runs = Runs(world, folder)
    for name, block in world.blocks.items():
        runs.ids[name] = await Block.asave(block, f"my-{name}")
        runs.slugs[name] = f"{block.get_block_type_slug()}/my-{name}"
    others = [name for name in world.blocks if name not in ("aws", "minio", "oauth2", "passwords")]
    runs.used = {
        "by-slug": [*others, "oauth2", "passwords", "aws"],
        "by-id": [*others, "minio"],
        "direct": [*others, "aws"],
    }
    name = await deploy(flows.download_item, pool, job_variables={"env": DEBUG})

    async def deployed(key: str, credentials: list[dict[str, Any]]) -> FlowRun:
        parameters = {
            "source": world.item(*runs.used[key]),
            "directory": str(folder / key),
            "options": OPTIONS,
            "credentials": credentials,
        }
        run: Any = await run_deployment(name, parameters=parameters, timeout=500)
        assert isinstance(run, FlowRun)
        return run

    runs.by_slug, runs.by_id, _ = await asyncio.gather(
        deployed("by-slug", [blocks.ref(runs.slugs[used]) for used in runs.used["by-slug"]]),
        deployed("by-id", [runs.of_form(used) for used in runs.used["by-id"]]),
        _direct(runs),
    )
    return runs


async def _direct(runs: Runs) -> None:
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _DIRECT),
        cwd=ROOT,
        env={**os.environ, **settings, **DEBUG, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    used = runs.used["direct"]
    slugs = [runs.slugs[name] for name in used]
    said = [runs.world.item(*used), str(runs.folder / "direct"), OPTIONS, slugs]
    output, _ = await process.communicate(json.dumps(said).encode())
    runs.direct, runs.direct_code = output.decode(), process.returncode


async def log_of(run: FlowRun, last: str) -> str:
    """Returns what a flow run and its tasks logged, when the server has a sentence of it.

    Args:
        run: The flow run.
        last: A part of the sentence.
    """
    only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    async with get_client() as client:
        for _ in range(600):
            said = ""
            while page := await client.read_logs(only, limit=200, offset=said.count("\n")):
                said += "".join(log.message.replace("\n", " ") + "\n" for log in page)
            if last in said:
                break
            await asyncio.sleep(0.2)
    return said
