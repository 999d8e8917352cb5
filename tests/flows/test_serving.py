"""Flows that are served by scripts: ours, and flows of one's own that call them."""

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
from tests.flows.deploying import ROOT, existing, running_worker
from tests.flows.elsewhere import FLOWS, flow_parameters, make_sources, registered, run_of, wrote
from tests.server_logs import checked_log

LIBRARIES = ("checkout", "wheel")


@dataclass(frozen=True)
class Variant:
    """A flow of one's own that calls one of ours."""

    is_async: bool
    has_text_annotations: bool
    imports_inside: bool
    served_from: str
    """The library of the script that serves it; a worker runs it with the other one."""

    @property
    def name(self) -> str:
        kind = "async" if self.is_async else "sync"
        annotations = "text" if self.has_text_annotations else "types"
        return f"{kind}-{annotations}-{'inside' if self.imports_inside else 'top'}"

    @property
    def deployed_to(self) -> str:
        return next(library for library in LIBRARIES if library != self.served_from)

    def script(self) -> str:
        """Returns the script that serves it, as Prefect's documentation writes such scripts."""
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
                f"{'async ' if self.is_async else ''}def mine(source: str, directory: str):",
                f"    {imports if self.imports_inside else ''}",
                f"    {f'await {call}' if self.is_async else f'asyncio.run({call})'}",
                "    from prefect_stac_asset import flows",
                "    Path(directory, 'library').write_text(flows.__file__)",
                "if __name__ == '__main__':",
                "    mine.serve(name='nightly', cron='0 2 * * *')",
            ]
        )


VARIANTS = [
    Variant(is_async, has_text, is_async == has_text, LIBRARIES[has_text])
    for is_async, has_text in itertools.product([False, True], repeat=2)
]
"""Each two values of two properties are together in one of these."""

BUSY = r"Observer websocket failed with an exception"
"""What Prefect logs if a connection waited too long for a busy machine; it connects again."""


def environment(library: Path) -> dict[str, str]:
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    quick = {"PREFECT_RUNNER_POLL_FREQUENCY": "2"}
    return {**os.environ, **settings, **quick, "PYTHONPATH": f"{library}:{ROOT}"}


@contextmanager
def served(scripts: Sequence[Path], library: Path) -> Iterator[None]:
    """Serves the flows of scripts, with the packages of a folder."""
    log = scripts[0].with_suffix(".log")
    with checked_log(log, BUSY), log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.serving", *map(str, scripts)],
            cwd=scripts[0].parent,
            env=environment(library),
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
    """Writes a script for each of our flows and each variant, and returns them by library."""
    scripts: dict[str, list[Path]] = {library: [] for library in LIBRARIES}
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
    """Deploys each variant to the worker of a library."""
    (folder / "deploy.py").write_text(
        "import sys\n"
        "from prefect import flow\n"
        "for argument in sys.argv[1:]:\n"
        "    file, pool = argument.split('=')\n"
        f"    flow.from_source({str(folder)!r}, f'{{file}}.py:mine').deploy(\n"
        "        'deployed', work_pool_name=pool, print_next_steps=False, ignore_warnings=True\n"
        "    )\n"
    )
    subprocess.run(
        [
            *(sys.executable, "deploy.py"),
            *(f"{one.name.replace('-', '_')}={pools[one.deployed_to]}" for one in VARIANTS),
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
    """The runs of all served and deployed flows, and the directory of each."""
    folder = tmp_path_factory.mktemp("serving")
    sources = make_sources(folder)
    libraries = {"checkout": ROOT, "wheel": installed_wheel}
    names = {f"{getattr(flows, name).name}/served": name for name in FLOWS}
    for variant in VARIANTS:
        names[f"{variant.name}/nightly"] = names[f"{variant.name}/deployed"] = "download_item"

    async def one(deployment: str, name: str) -> tuple[Path, FlowRun]:
        out = folder / deployment.replace("/", "-")
        return out, await run_of(deployment, flow_parameters(name, sources, out))

    with ExitStack() as stack:
        for library, scripts in write_scripts(folder).items():
            stack.enter_context(served(scripts, libraries[library]))
            await registered(f"{scripts[-1].stem.replace('_', '-')}/nightly")
        log = folder / "worker.log"
        of_wheel = running_worker(log, BUSY, PYTHONPATH=str(installed_wheel))
        pools = {"checkout": pool, "wheel": stack.enter_context(of_wheel)}
        for made in pools.values():
            await existing(made)
        await asyncio.to_thread(deploy_variants, folder, pools)
        ended = await asyncio.gather(*(one(*each) for each in names.items()))
    return dict(zip(names, ended, strict=True))


@pytest.mark.parametrize("name", FLOWS)
def test_served_flow_completes(runs: Runs, name: str) -> None:
    out, run = runs[f"{getattr(flows, name).name}/served"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert wrote(name, out)


@pytest.mark.parametrize("name", FLOWS)
async def test_served_flow_is_stored_by_its_module_path(runs: Runs, name: str) -> None:
    what = getattr(flows, name)
    async with get_client() as client:
        found = await client.read_deployment_by_name(f"{what.name}/served")
    assert found.entrypoint == f"{what.fn.__module__}.{name}"


@pytest.mark.parametrize("way", ["nightly", "deployed"])
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_flow_of_ones_own_completes(
    runs: Runs, variant: Variant, way: str, installed_wheel: Path
) -> None:
    out, run = runs[f"{variant.name}/{way}"]
    assert run.state is not None
    assert run.state.is_completed(), run.state
    assert wrote("download_item", out)
    library = variant.served_from if way == "nightly" else variant.deployed_to
    used = {"checkout": ROOT, "wheel": installed_wheel}[library]
    assert (out / "library").read_text() == str(used / "flows" / "__init__.py")
