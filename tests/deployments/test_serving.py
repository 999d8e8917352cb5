"""Scripts that serve the flows of this package, or user flows that call `download_item`."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from prefect_stac_asset import flows
from tests.support.prefect_environment import prefect_environment
from tests.support.remote_runs import (
    FLOWS,
    flow_parameters,
    flow_wrote_files,
    run_registered_deployment,
    wait_for_deployment,
    write_sources,
)
from tests.support.server_logs import unexpected_errors
from tests.support.workers import wait_for_pool

pytestmark = pytest.mark.usefixtures("prefect_test")


@dataclass(frozen=True)
class Variant:
    """A user flow that calls `download_item`."""

    is_async: bool
    has_text_annotations: bool
    imports_inside: bool

    @property
    def name(self) -> str:
        kind = "async" if self.is_async else "sync"
        annotations = "text" if self.has_text_annotations else "types"
        return f"{kind}-{annotations}-{'inside' if self.imports_inside else 'top'}"

    @property
    def file(self) -> str:
        return f"{self.name.replace('-', '_')}.py"

    def script(self) -> str:
        """Return a script that serves the flow, in the form of Prefect's documentation."""
        imports = "from prefect_stac_asset.flows import download_item"
        call = "download_item(source, directory)"
        return "\n".join(
            [
                "from __future__ import annotations" if self.has_text_annotations else "",
                "import asyncio",
                "from prefect import flow",
                "" if self.imports_inside else imports,
                f"@flow(name={self.name!r})",
                f"{'async ' if self.is_async else ''}def user_flow(source: str, directory: str):",
                f"    {imports if self.imports_inside else ''}",
                f"    {f'await {call}' if self.is_async else f'asyncio.run({call})'}",
                "if __name__ == '__main__':",
                "    user_flow.serve(name='nightly', cron='0 2 * * *')",
            ]
        )


VARIANTS = [
    Variant(is_async, has_text, is_async == has_text)
    for is_async, has_text in itertools.product([False, True], repeat=2)
]
"""Variants that cover every pair of values of two properties. All are served."""

DEPLOYED_VARIANT = VARIANTS[1]
"""A synchronous variant with text annotations, which is also deployed to a worker.

`test_deploy_methods.py` deploys an asynchronous user flow.
"""

SERVED_ALONE = "download_item"
"""Flow that a script serves with `Flow.serve`. Another script serves the other flows together."""

EXECUTED_FLOWS = (SERVED_ALONE, "verify")

LATE_RESPONSE = r"Observer websocket failed with an exception"
"""Log entry of Prefect after a timeout on a busy machine. Prefect reconnects."""


@contextmanager
def run_scripts(scripts: Sequence[Path]) -> Iterator[None]:
    """Run scripts that serve or deploy flows. Each script has a log."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.served_flows", *map(str, scripts)],
        cwd=scripts[0].parent,
        env=prefect_environment(PREFECT_RUNNER_POLL_FREQUENCY="4"),
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(120) == 0


SCRIPTS = (
    "serve_alone.py",
    "serve_others.py",
    *(variant.file for variant in VARIANTS),
    "deploy.py",
)


def write_scripts(folder: Path, pool: str) -> list[Path]:
    """Write scripts that serve or deploy the flows and the variants, and return the paths."""
    texts = {
        "serve_alone.py": f"""
from prefect_stac_asset.flows import {SERVED_ALONE}
if __name__ == '__main__':
    {SERVED_ALONE}.serve(name='served')
"""
    }
    others = [name for name in FLOWS if name != SERVED_ALONE]
    deployments = [f"{name}.to_deployment('served', cron='0 2 * * *')" for name in others]
    texts["serve_others.py"] = f"""
from prefect import serve
from prefect_stac_asset.flows import {", ".join(others)}
if __name__ == '__main__':
    serve({", ".join(deployments)})
"""
    texts |= {variant.file: variant.script() for variant in VARIANTS}
    texts["deploy.py"] = (
        "from prefect import flow\n"
        f"flow.from_source({str(folder)!r}, '{DEPLOYED_VARIANT.file}:user_flow').deploy(\n"
        f"    'deployed', work_pool_name={pool!r}, print_next_steps=False, ignore_warnings=True\n"
        ")\n"
    )
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in SCRIPTS]


Runs = dict[str, tuple[Path, FlowRun]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the scripts, their logs, and the outputs of the flow runs."""
    return tmp_path_factory.mktemp("serving")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runs(pool: str, folder: Path) -> Runs:
    """Output directory and finished flow run of each served or deployed flow."""
    sources = write_sources(folder)
    names = {f"{getattr(flows, name).name}/served": name for name in EXECUTED_FLOWS}
    names |= {f"{variant.name}/nightly": "download_item" for variant in VARIANTS}
    names[f"{DEPLOYED_VARIANT.name}/deployed"] = "download_item"

    async def run_one(deployment: str, name: str) -> tuple[Path, FlowRun]:
        out = folder / deployment.replace("/", "-")
        return out, await run_registered_deployment(deployment, flow_parameters(name, sources, out))

    await wait_for_pool(pool)
    with run_scripts(write_scripts(folder, pool)):
        await wait_for_deployment(f"{VARIANTS[-1].name}/nightly")
        ended = await asyncio.gather(*(run_one(*each) for each in names.items()))
    return dict(zip(names, ended, strict=True))


@pytest.mark.parametrize("name", EXECUTED_FLOWS)
def test_served_flow_completes(runs: Runs, name: str) -> None:
    out, run = runs[f"{getattr(flows, name).name}/served"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert flow_wrote_files(name, out)


@pytest.mark.parametrize("name", FLOWS)
async def test_served_flow_has_module_path_as_entrypoint(runs: Runs, name: str) -> None:
    flow = getattr(flows, name)
    async with get_client() as client:
        found = await client.read_deployment_by_name(f"{flow.name}/served")
    assert found.entrypoint == f"{flow.fn.__module__}.{name}"


@pytest.mark.parametrize(
    "deployment",
    [
        *(f"{variant.name}/nightly" for variant in VARIANTS),
        f"{DEPLOYED_VARIANT.name}/deployed",
    ],
)
def test_user_flow_completes(runs: Runs, deployment: str) -> None:
    out, run = runs[deployment]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert flow_wrote_files("download_item", out)


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("script", SCRIPTS)
def test_script_logs_no_unexpected_error(folder: Path, script: str) -> None:
    log = (folder / script).with_suffix(".log").read_text()
    assert unexpected_errors(log, [LATE_RESPONSE]) == []
