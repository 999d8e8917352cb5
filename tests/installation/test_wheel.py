"""The built wheel in an environment of its own, beside a user's packages of the same names."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import textwrap
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import get_current_settings

from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from stac_asset.testing import Origin
from tests.support.installed_wheel import WheelEnvironment
from tests.support.items import make_item
from tests.support.next_steps import carried_out
from tests.support.scheduled_mirror import ScheduledMirror

pytestmark = pytest.mark.usefixtures("prefect_test")

USER_FILES = {
    "flows/__init__.py": "",
    "flows/paths.py": "NAMES = ['flows of the user']\n",
    "blocks/__init__.py": "NAMES = ['blocks of the user']\n",
    "deployments/__init__.py": "NAMES = ['deployments of the user']\n",
    "flows/nightly.py": """
        import json
        from pathlib import Path

        import blocks
        import deployments
        import prefect_stac_asset
        import stac_asset
        from flows.paths import NAMES
        from prefect import flow
        from prefect_stac_asset import DownloadOptions, HttpCredentials, download_item, tasks


        @flow
        async def nightly(source: str, directory: str) -> None:
            options = DownloadOptions(include=["data"])
            login = HttpCredentials(hosts=["example.com"], username="u", password="p")
            result = await download_item(
                source, directory, options=options, credentials=login
            )
            stat = await tasks.check_asset_exists(source)
            files = [prefect_stac_asset.__file__, prefect_stac_asset.flows.__file__,
                     prefect_stac_asset.blocks.__file__, stac_asset.__file__]
            names = [*NAMES, *blocks.NAMES, *deployments.NAMES]
            seen = {"document": result.document, "size": stat.size, "files": files, "names": names}
            Path(directory, "seen.json").write_text(json.dumps(seen))
        """,
}


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> WheelEnvironment:
    """The environment that contains the wheel."""
    return WheelEnvironment(tmp_path_factory.mktemp("environment") / "venv", wheel)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's repository with packages called `flows`, `blocks` and `deployments`."""
    folder = tmp_path / "repository"
    for name, text in USER_FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def settings() -> dict[str, str]:
    """Environment variables that name the Prefect server of the tests, and no import path."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, **get_current_settings().to_environment_variables(exclude_unset=True)}


def shell_environment(environment: WheelEnvironment, settings: dict[str, str]) -> dict[str, str]:
    """Return the variables of a shell with the activated environment.

    The environment takes Prefect from that of the tests, and gets the script that pip would write.
    """
    script = environment.python.with_name("prefect")
    script.write_text('#!/bin/sh\nexec python -m prefect "$@"\n')
    script.chmod(0o755)
    # Each query takes the server 20 ms.
    quick = {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_WORKER_PREFETCH_SECONDS": "1"}
    path = os.pathsep.join((str(script.parent), os.environ["PATH"]))
    return {**settings, **quick, "PATH": path}


THEIRS = """
  - name: theirs
    entrypoint: flows/nightly.py:nightly
    pull:
    - prefect.deployments.steps.set_working_directory: {{directory: {folder}}}
    work_pool: *pool
"""
"""A deployment of the user's flow, added to the `prefect.yaml` of `stac-asset init`."""


async def test_printed_steps_of_init_lead_to_runs_beside_user_packages(
    environment: WheelEnvironment,
    repository: Path,
    settings: dict[str, str],
    origin: Origin,
    tmp_path: Path,
) -> None:
    source = make_item(origin, "data", "other")
    mirror = ScheduledMirror("example", origin, repository / "mirror", flow="stac-mirror")
    mirror.publish("item")
    shell = shell_environment(environment, settings)
    done = await asyncio.to_thread(
        subprocess.run,
        [
            *("stac-asset", "init", "--deployment", "download-item"),
            *("--source", origin.href("/example.json")),
            # A run takes ten seconds of a core. A shorter interval would start a second run.
            *("--cron", "* * * * *", "--pool", f"init-{uuid4().hex[:8]}"),
        ],
        cwd=repository,
        env=shell,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (repository / "prefect.yaml").open("a") as file:
        file.write(THEIRS.format(folder=repository))

    url = settings["PREFECT_API_URL"].removesuffix("/api")
    steps = carried_out(done.stdout, repository, shell, tmp_path / "worker.log")
    with steps as commands:
        assert [command.split()[0] for command in commands] == ["prefect"] * 5
        for deployment in ("nightly/theirs", "download-item/download-item"):
            directory = tmp_path / deployment.replace("/", "-")
            directory.mkdir()
            run = await run_deployment(
                deployment,
                parameters={"source": source, "directory": str(directory)},
                timeout=240,
                poll_interval=1,
            )
            assert isinstance(run, FlowRun)
            assert run.state is not None
            assert run.state.is_completed(), run.state
        mirror.wait_for_file("item")
        mirror.wait_for_completed_runs(url)
        mirror.pause(url)

    seen = json.loads((tmp_path / "nightly-theirs" / "seen.json").read_text())
    assert seen["names"] == ["flows of the user", "blocks of the user", "deployments of the user"]
    assert all(file.startswith(f"{environment.site_packages}/") for file in seen["files"])
    assert seen["size"] == len(origin.content("/item.json"))
    assert Path(seen["document"]).is_file()


LOAD = """
import sys
from importlib import import_module
from importlib.metadata import distribution

for name in sys.argv[1:]:
    print("file", name, import_module(name).__file__)
for point in distribution("prefect-stac-asset").entry_points:
    print("entry point", point.group, point.name, point.load())

from prefect_stac_asset.deployments.__main__ import main

sys.argv[1:] = ["check"]
main()
"""
"""A program that imports modules, loads the entry points, and checks the deployments."""


def test_modules_and_entry_points_load_and_deployments_are_valid(
    environment: WheelEnvironment, repository: Path, settings: dict[str, str]
) -> None:
    parts = ("flows", "blocks", "deployments")
    modules = ["stac_asset", "prefect_stac_asset", *(f"prefect_stac_asset.{p}" for p in parts)]
    done = environment.run("-c", LOAD, *modules, folder=repository, environment=settings)
    lines = done.stdout.splitlines()
    for module in modules:
        file = environment.site_packages / module.replace(".", "/") / "__init__.py"
        assert f"file {module} {file}" in lines
    assert "entry point prefect.collections prefect_stac_asset <module 'prefect_stac_asset'" in (
        done.stdout
    )
    assert done.returncode == 0, done.stderr
    packaged = environment.site_packages / "prefect_stac_asset" / "deployments" / "prefect.yaml"
    assert f"Checking {packaged}" in done.stderr
    assert {f"{each.name}: {each.description}" for each in read_deployments()} <= set(lines)


@pytest.fixture
def other_wheel(tmp_path: Path) -> Path:
    """A wheel of another distribution called `stac-asset`, with a package of the same name."""
    path = tmp_path / "stac_asset-0.4.8-py3-none-any.whl"
    files = {
        "stac_asset/__init__.py": "from ._functions import download_item\n",
        "stac_asset/_functions.py": "def download_item() -> None: ...\n",
        "stac_asset-0.4.8.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: stac-asset\nVersion: 0.4.8\n"
        ),
        "stac_asset-0.4.8.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "".join(f"{name},,\n" for name in files) + "stac_asset-0.4.8.dist-info/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr("stac_asset-0.4.8.dist-info/RECORD", record)
    return path


def test_folder_that_hides_the_library_is_refused(
    environment: WheelEnvironment, tmp_path: Path, settings: dict[str, str]
) -> None:
    (tmp_path / "stac_asset").mkdir()
    (tmp_path / "stac_asset" / "__init__.py").write_text("")
    done = environment.run("-c", "import prefect_stac_asset", folder=tmp_path, environment=settings)
    assert (
        f"The package `stac_asset` at {tmp_path / 'stac_asset'} is not the library" in done.stderr
    )


def test_other_distribution_is_refused_in_one_sentence(
    environment: WheelEnvironment,
    wheel: Path,
    other_wheel: Path,
    tmp_path: Path,
    settings: dict[str, str],
) -> None:
    def last_line() -> str:
        done = environment.run(
            "-c",
            "import prefect_stac_asset.flows.download.item",
            folder=tmp_path,
            environment=settings,
        )
        return done.stderr.strip().rpartition("\n")[2]

    environment.pip("install", "--no-deps", "--no-index", str(other_wheel))
    package = environment.site_packages / "stac_asset"
    assert last_line().startswith(
        f"ImportError: The package `stac_asset` at {package} is not the library of "
        "prefect-stac-asset. If it is PyPI's `stac-asset`, run `pip uninstall stac-asset`"
    )

    environment.pip("uninstall", "--yes", "stac-asset")
    assert last_line().startswith(
        "ImportError: Files of the package `stac_asset` are missing, as after `pip uninstall "
        "stac-asset`. Run `pip install --force-reinstall"
    )

    # The instruction of the error also restores the environment for other tests.
    environment.pip("install", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    assert last_line() == ""
