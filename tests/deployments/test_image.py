"""The Dockerfile, as far as that goes without Docker: what it copies, and what it runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from tests.deployments.stacks import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
COPIED = [
    (name, target)
    for names, target in re.findall(r"^COPY (.+) (\S+)$", TEXT, re.M)
    for name in names.split()
]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the image after its COPY lines, of what .dockerignore leaves."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    folder = tmp_path_factory.mktemp("image")
    for name, target in COPIED:
        assert any(fnmatch(name, pattern) for pattern in kept), f"{name} is ignored"
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / target, ignore=ignore)
        else:
            shutil.copy(source, folder / target / name)
    return folder


def test_what_is_copied_is_enough_to_install(context: Path) -> None:
    assert "pip install --no-cache-dir --no-deps --no-build-isolation ." in TEXT
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet"]
    target = context / "installed"
    subprocess.run([*pip, "--target", target, "."], cwd=context, check=True, capture_output=True)
    # The packages come from the installed copy, and with them the list of deployments.
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        "from prefect_stac_asset.deployments.prefect_yaml import FILE, read_deployments\n"
        "print(FILE)\n"
        "print(*(one.name for one in read_deployments()))"
    )
    # -I keeps the environment, and the working folder, out of the search path.
    start = [sys.executable, "-I", "-c", code]
    done = subprocess.run(start, cwd=context, check=True, capture_output=True, text=True)
    file, names = done.stdout.splitlines()
    assert file == str(target / "deployments" / "prefect.yaml")
    assert names.split() == [one.name for one in read_deployments()]


def test_packages_are_those_that_are_pinned() -> None:
    assert "--require-hashes --requirement requirements.lock" in TEXT
    version = re.findall(r"^FROM python:(\d\.\d+)-slim$", TEXT, re.M)
    assert version == ["3.13"]  # the newest that the lock was made for


def test_command_is_one_that_prefect_has() -> None:
    (command,) = re.findall(r"^CMD \[(.*)\]$", TEXT, re.M)
    program, *arguments = re.findall(r'"([^"]+)"', command)
    assert program == "prefect"
    assert arguments[-1] == read_deployments()[0].work_pool.name
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments[:2], "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in (word for word in arguments if word.startswith("--")):
        assert option in done.stdout


def test_image_runs_as_nobody_special() -> None:
    assert TEXT.index("USER stac") < TEXT.index("CMD ")
    assert TEXT.index("VOLUME /srv/stac") < TEXT.rindex("WORKDIR /srv/stac")
