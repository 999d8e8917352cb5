"""Scripts that serve the flows of this package, or user flows that call `download_item`."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import get_current_settings

from prefect_stac_asset import flows
from tests.support.paths import ROOT
from tests.support.remote_runs import (
    FLOWS,
    flow_parameters,
    flow_wrote_files,
    run_registered_deployment,
    wait_for_deployment,
    write_sources,
)
from tests.support.server_logs import checked_log
from tests.support.workers import running_worker, wait_for_pool

pytestmark = pytest.mark.usefixtures("prefect_test")

INSTALLATIONS = ("checkout", "wheel")


@dataclass(frozen=True)
class Variant:
    """A user flow that calls `download_item`."""

    is_async: bool
    has_text_annotations: bool
    imports_inside: bool
    served_from: str
    """Installation of the script that serves the flow: checkout or wheel."""

    @property
    def name(self) -> str:
        kind = "async" if self.is_async else "sync"
        annotations = "text" if self.has_text_annotations else "types"
        return f"{kind}-{annotations}-{'inside' if self.imports_inside else 'top'}"

    @property
    def deployed_to(self) -> str:
        """The other installation, of the worker that runs the flow."""
        return next(name for name in INSTALLATIONS if name != self.served_from)

    def script(self) -> str:
        """Return a script that serves the flow, in the form of Prefect's documentation."""
        imports = "from prefect_stac_asset.flows import download_item"
        call = "download_item(source, directory)"
        return "\n".join(
            [
                "from __future__ import annotations" if self.has_text_annotations else "",
                "import asyncio",
                "from pathlib import Path",
                "from prefect import flow",
                "" if self.imports_inside else imports,
                f"@flow(name={self.name!r})",
                f"{'async ' if self.is_async else ''}def user_flow(source: str, directory: str):",
                f"    {imports if self.imports_inside else ''}",
                f"    {f'await {call}' if self.is_async else f'asyncio.run({call})'}",
                "    from prefect_stac_asset import flows",
                "    Path(directory, 'imported').write_text(flows.__file__)",
                "if __name__ == '__main__':",
                "    user_flow.serve(name='nightly', cron='0 2 * * *')",
            ]
        )


VARIANTS = [
    Variant(is_async, has_text, is_async == has_text, INSTALLATIONS[has_text])
    for is_async, has_text in itertools.product([False, True], repeat=2)
]
"""Variants that cover every pair of values of two properties."""

LATE_RESPONSE = r"Observer websocket failed with an exception"
"""Log entry of Prefect after a timeout on a busy machine. Prefect reconnects."""


def environment(import_path: Path) -> dict[str, str]:
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    short_polling = {"PREFECT_RUNNER_POLL_FREQUENCY": "2"}
    return {**os.environ, **settings, **short_polling, "PYTHONPATH": f"{import_path}:{ROOT}"}


@contextmanager
def served(scripts: Sequence[Path], import_path: Path) -> Iterator[None]:
    """Run scripts that serve flows, with the packages of a folder."""
    log = scripts[0].with_suffix(".log")
    with checked_log(log, LATE_RESPONSE), log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.served_flows", *map(str, scripts)],
            cwd=scripts[0].parent,
            env=environment(import_path),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def write_scripts(folder: Path) -> dict[str, list[Path]]:
    """Write a script for each flow and each variant, and return the paths by installation."""
    scripts: dict[str, list[Path]] = {installation: [] for installation in INSTALLATIONS}
    for number, name in enumerate(FLOWS):
        schedule = ", cron='0 2 * * *'" if number % 2 else ""
        script = folder / f"serve_{name}.py"
        script.write_text(
            f"from prefect_stac_asset.flows import {name}\n"
            "if __name__ == '__main__':\n"
            f"    {name}.serve(name='served'{schedule})\n"
        )
        scripts["checkout"].append(script)
    for variant in VARIANTS:
        script = folder / f"{variant.name.replace('-', '_')}.py"
        script.write_text(variant.script())
        scripts[variant.served_from].append(script)
    return scripts


def deploy_variants(folder: Path, pools: dict[str, str]) -> None:
    """Deploy each variant to the worker with the other installation."""
    (folder / "deploy.py").write_text(
        "import sys\n"
        "from prefect import flow\n"
        "for argument in sys.argv[1:]:\n"
        "    file, pool = argument.split('=')\n"
        f"    flow.from_source({str(folder)!r}, f'{{file}}.py:user_flow').deploy(\n"
        "        'deployed', work_pool_name=pool, print_next_steps=False, ignore_warnings=True\n"
        "    )\n"
    )
    subprocess.run(
        [
            *(sys.executable, "deploy.py"),
            *(
                f"{variant.name.replace('-', '_')}={pools[variant.deployed_to]}"
                for variant in VARIANTS
            ),
        ],
        check=True,
        cwd=folder,
        env=environment(ROOT),
    )


Runs = dict[str, tuple[Path, FlowRun]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def runs(
    pool: str, installed_wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, FlowRun]]:
    """Output directory and finished flow run of each served or deployed flow."""
    folder = tmp_path_factory.mktemp("serving")
    sources = write_sources(folder)
    import_paths = {"checkout": ROOT, "wheel": installed_wheel}
    names = {f"{getattr(flows, name).name}/served": name for name in FLOWS}
    for variant in VARIANTS:
        names[f"{variant.name}/nightly"] = names[f"{variant.name}/deployed"] = "download_item"

    async def run_one(deployment: str, name: str) -> tuple[Path, FlowRun]:
        out = folder / deployment.replace("/", "-")
        return out, await run_registered_deployment(deployment, flow_parameters(name, sources, out))

    with ExitStack() as stack:
        for installation, scripts in write_scripts(folder).items():
            stack.enter_context(served(scripts, import_paths[installation]))
            await wait_for_deployment(f"{scripts[-1].stem.replace('_', '-')}/nightly")
        log = folder / "worker.log"
        wheel_worker = running_worker(log, LATE_RESPONSE, PYTHONPATH=str(installed_wheel))
        pools = {"checkout": pool, "wheel": stack.enter_context(wheel_worker)}
        for name in pools.values():
            await wait_for_pool(name)
        await asyncio.to_thread(deploy_variants, folder, pools)
        ended = await asyncio.gather(*(run_one(*each) for each in names.items()))
    return dict(zip(names, ended, strict=True))


@pytest.mark.parametrize("name", FLOWS)
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


@pytest.mark.parametrize("deployment", ["nightly", "deployed"])
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_user_flow_completes(
    runs: Runs, variant: Variant, deployment: str, installed_wheel: Path
) -> None:
    out, run = runs[f"{variant.name}/{deployment}"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert flow_wrote_files("download_item", out)
    installation = variant.served_from if deployment == "nightly" else variant.deployed_to
    import_path = {"checkout": ROOT, "wheel": installed_wheel}[installation]
    imported = import_path / "prefect_stac_asset" / "flows" / "__init__.py"
    assert (out / "imported").read_text() == str(imported)
