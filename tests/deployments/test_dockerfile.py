"""The Dockerfile, checked without Docker: copied files, installation and command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from tests.support.paths import ROOT
from tests.support.prefect_environment import import_path

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPIED = [
    (name, target)
    for names, target in re.findall(r"^COPY (.+) (\S+)$", DOCKERFILE, re.M)
    for name in names.split()
]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the files that the COPY lines copy from the build context."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    included = [line.removeprefix("!") for line in lines if line.startswith("!")]
    folder = tmp_path_factory.mktemp("image")
    for name, target in COPIED:
        assert any(fnmatch(name, pattern) for pattern in included), f"{name} is ignored"
        source = ROOT / name
        if source.is_dir():
            # COPY keeps symbolic links.
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / target, symlinks=True, ignore=ignore)
        else:
            shutil.copy(source, folder / target / name)
    return folder


def test_copied_files_are_sufficient_to_install(context: Path) -> None:
    assert "pip install --no-cache-dir --no-deps --no-build-isolation ." in DOCKERFILE
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet"]
    target = context / "installed"
    command = [*pip, "--no-compile", "--target", target, "."]
    subprocess.run(command, cwd=context, check=True, capture_output=True)
    # `tests/installation/test_wheel.py` imports the same files.
    expected = package_files(ROOT)
    expected["prefect_stac_asset/deployments/prefect.yaml"] = (ROOT / "prefect.yaml").read_bytes()
    assert package_files(target) == expected


def package_files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of the packages, except for compiled modules."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for package in ("stac_asset", "prefect_stac_asset")
        for parent, _, names in os.walk(folder / package, followlinks=True)
        for path in (Path(parent, name) for name in names)
        if path.parent.name != "__pycache__"
    }


def test_image_installs_pinned_packages() -> None:
    assert "--require-hashes --requirement requirements.lock" in DOCKERFILE
    version = re.findall(r"^FROM python:(\d\.\d+)-slim$", DOCKERFILE, re.M)
    assert version == ["3.13"]  # The newest version that the lock file supports.


def test_command_and_options_exist_in_prefect() -> None:
    (command,) = re.findall(r"^CMD \[(.*)\]$", DOCKERFILE, re.M)
    program, *arguments = re.findall(r'"([^"]+)"', command)
    assert program == "prefect"
    assert arguments[-1] == read_deployments()[0].work_pool.name
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments[:2], "--help"],
        env={**os.environ, "PYTHONPATH": import_path()},
        capture_output=True,
        text=True,
        check=True,
    )
    for option in (word for word in arguments if word.startswith("--")):
        assert option in done.stdout


def test_image_runs_as_unprivileged_user() -> None:
    assert DOCKERFILE.index("USER stac") < DOCKERFILE.index("CMD ")


def test_working_directory_is_outside_of_the_volume() -> None:
    """Prefect copies the working directory of a container for each flow run."""
    working_directory = Path(re.findall(r"^WORKDIR (.*)$", DOCKERFILE, re.M)[-1])
    (volume,) = re.findall(r"^VOLUME (.*)$", DOCKERFILE, re.M)
    assert not working_directory.is_relative_to(volume)
    assert not Path(volume).is_relative_to(working_directory)
