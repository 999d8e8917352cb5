"""The wheel, the source distribution and the lock files."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from prefect_stac_asset import flows
from tests.support.paths import ROOT
from tests.support.remote_runs import FLOWS

PACKAGES = ("stac_asset", "prefect_stac_asset")
LINKED_FOLDERS = ("blocks", "flows", "deployments")
"""Folders at the top level of the repository that are subpackages of `prefect_stac_asset`."""


def test_wheel_contains_two_typed_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top_level = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert top_level == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)


def test_wheel_contains_every_tracked_file_of_the_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    files = {file for file in tracked_files(*PACKAGES) if not (ROOT / file).is_symlink()}
    files |= {f"prefect_stac_asset/{file}" for file in tracked_files(*LINKED_FOLDERS)}
    assert files <= set(names)
    assert "prefect_stac_asset/deployments/prefect.yaml" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def tracked_files(*folders: str) -> list[str]:
    list_files = ["git", "ls-files", "--", *folders]
    listed = subprocess.run(list_files, check=True, capture_output=True, text=True, cwd=ROOT)
    return listed.stdout.split()


def test_wheel_from_sdist_equals_wheel_from_checkout(wheel: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, "--sdist", str(ROOT)], check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert [member.name for member in archive if member.issym() or member.islnk()] == []
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*build, "--wheel", str(folder)], check=True, capture_output=True)
    (from_sdist,) = tmp_path.glob("*.whl")
    assert checksums(from_sdist) == checksums(wheel)


def checksums(archive: Path) -> dict[str, int]:
    """Return the CRC-32 checksum of each file of a ZIP archive."""
    return {member.filename: member.CRC for member in zipfile.ZipFile(archive).infolist()}


def test_wheel_declares_entry_points(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(archive.read(name).decode())
    assert dict(points["console_scripts"]) == {"stac-asset": "stac_asset.cli:main"}
    assert dict(points["prefect.collections"]) == {"prefect_stac_asset": "prefect_stac_asset"}
    assert dict(points["stac_asset.commands"]) == {
        "blocks": "prefect_stac_asset.blocks.cli:app",
        "init": "prefect_stac_asset.deployments.init.command:init",
    }


@pytest.mark.parametrize("name", FLOWS)
def test_modules_beside_a_flow_hide_no_other_package(name: str) -> None:
    # Prefect inserts the folder of a flow that is loaded by path at the start of `sys.path`.
    module = sys.modules[getattr(flows, name).fn.__module__]
    modules = {path.stem for path in Path(str(module.__file__)).parent.glob("*.py")}
    assert module.__name__.rpartition(".")[2] in modules
    others = {*sys.stdlib_module_names, *packages_distributions()} - set(PACKAGES)
    assert modules & others == set()


MAKEFILE = (ROOT / "Makefile").read_text()
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-lowest.lock")


def pins(lock: str) -> dict[str, str]:
    """Return the version of each package in a lock file.

    For a package with several versions, the version for the oldest Python is returned.
    """
    text = (ROOT / lock).read_text()
    found = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", text, re.M)
    assert len(found) > 100
    return dict(reversed(found))


@pytest.fixture(scope="module")
def bounds(wheel: Path) -> dict[str, SpecifierSet]:
    """Version bounds of each dependency in the wheel's metadata, including extras."""
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    requirements = [Requirement(line) for line in lines]
    return {requirement.name: requirement.specifier for requirement in requirements}


@pytest.mark.parametrize("lock", [*LOCKS, "tests/pgstac/requirements.lock"])
def test_lock_pins_packages_with_hashes_and_contains_no_urls(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(entries) > 40
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[^]]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_also_pins_packages_with_extras_without_extras(lock: str) -> None:
    """Otherwise the pip of Python 3.11 would search for the newest version of the package."""
    text = (ROOT / lock).read_text()
    with_extras = set(re.findall(r"^([a-z0-9._-]+)\[[^]]*\](==\S+)", text, re.M))
    assert "sqlalchemy" in dict(with_extras)
    assert with_extras <= set(re.findall(r"^([a-z0-9._-]+)(==\S+)", text, re.M))


def test_development_lock_contains_runtime_lock() -> None:
    runtime, development = pins("requirements.lock"), pins("requirements-dev.lock")
    # `make up` reads stac-geoparquet.
    assert "stac-geoparquet" in runtime
    assert {name: development.get(name) for name in runtime} == runtime
    assert hashes("requirements.lock") <= hashes("requirements-dev.lock")


def hashes(lock: str) -> set[tuple[str, str]]:
    """Return the checksums in a lock file, each with the name and the version of its package."""
    text = (ROOT / lock).read_text()
    entries = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?(==\S+)((?: \\\n    \S+)+)", text, re.M)
    return {
        (name + version, checksum)
        for name, version, found in entries
        for checksum in re.findall(r"--hash=\S+", found)
    }


def test_make_installs_both_locks_with_the_same_commands() -> None:
    recipes = dict(re.findall(r"^\$\(VENV\)/(run|dev): .*\n((?:\t.*\n)+)", MAKEFILE, re.M))
    as_runtime = recipes["dev"].replace("requirements-dev.lock", "requirements.lock")
    assert as_runtime.replace(" $(VENV)/run", "") == recipes["run"]


@pytest.mark.parametrize("lock", LOCKS)
def test_locked_versions_are_within_bounds_of_the_wheel(
    lock: str, bounds: dict[str, SpecifierSet]
) -> None:
    pinned = pins(lock)
    checked = {name: bounds[name] for name in bounds.keys() & pinned.keys()}
    assert {"prefect", "sqlalchemy", "fastapi", "pydantic"} <= checked.keys()
    outside = [name for name, versions in checked.items() if pinned[name] not in versions]
    assert outside == []


def test_lowest_lock_pins_lower_bounds_of_the_wheel(bounds: dict[str, SpecifierSet]) -> None:
    pinned = pins("requirements-lowest.lock")
    assert bounds.keys() <= pinned.keys()
    for name in ("prefect", "sqlalchemy", "pydantic", "aiohttp", "pystac-client", "pyproj"):
        (lowest,) = (bound.version for bound in bounds[name] if bound.operator == ">=")
        assert Version(pinned[name]) == Version(lowest), name


# See the table in docs/decisions/0007-versions-of-prefect.md.
INCOMPATIBLE_VERSIONS = [
    {"prefect": "3.8.8", "sqlalchemy": "2.1.0", "fastapi": "0.150.0"},
    {"prefect": "3.8.8", "sqlalchemy": "2.1.9", "fastapi": "0.150.0"},
    {"prefect": "3.9.0", "sqlalchemy": "2.1.9", "fastapi": "0.150.0"},
    {"prefect": "3.8.0", "sqlalchemy": "2.0.0", "fastapi": "0.139.0"},
    {"prefect": "3.8.0", "sqlalchemy": "2.0.15", "fastapi": "0.139.0"},
    {"prefect": "3.8.8", "sqlalchemy": "2.0.58", "fastapi": "0.151.0"},
    {"prefect": "3.8.8", "sqlalchemy": "2.0.58", "fastapi": "0.165.0"},
    {"prefect": "3.8.0", "pydantic": "2.10.6"},
    {"aiobotocore": "3.7.0"},
    {"prefect": "3.8.0", "prefect-dask": "0.3.5"},
    {"pydantic-settings": "2.11.0"},
    {"pydantic-settings": "2.13.1"},
    {"stac-geoparquet": "0.7.0"},
]
COMPATIBLE_VERSIONS = [
    {"prefect": "3.8.0", "sqlalchemy": "2.0.16", "fastapi": "0.139.0", "pydantic": "2.11.5"},
    {"prefect": "3.8.0", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
    {"prefect": "3.8.8", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
    {"prefect": "3.9.0", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
    {"prefect": "3.9.1", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
]


@pytest.mark.parametrize("versions", INCOMPATIBLE_VERSIONS)
def test_wheel_excludes_incompatible_versions(
    versions: dict[str, str], bounds: dict[str, SpecifierSet]
) -> None:
    assert not all(version in bounds[name] for name, version in versions.items())


@pytest.mark.parametrize("versions", COMPATIBLE_VERSIONS)
def test_wheel_allows_compatible_versions(
    versions: dict[str, str], bounds: dict[str, SpecifierSet]
) -> None:
    assert all(version in bounds[name] for name, version in versions.items())
