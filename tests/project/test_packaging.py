"""What is built and pinned: the wheel, and the locks."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PACKAGES = ("stac_asset", "blocks", "flows", "deployments")


def test_wheel_holds_the_four_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    list_files = ["git", "ls-files", "--", *PACKAGES]
    listed = subprocess.run(list_files, check=True, capture_output=True, text=True, cwd=ROOT)
    names = zipfile.ZipFile(wheel).namelist()
    assert set(listed.stdout.split()) <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_names_its_entry_points(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(archive.read(name).decode())
    assert dict(points["console_scripts"]) == {"stac-asset": "stac_asset.cli:main"}
    assert dict(points["prefect.collections"]) == {"prefect_stac_asset": "blocks"}
    assert dict(points["stac_asset.commands"]) == {"blocks": "blocks.cli:app"}


def test_packages_import_from_an_installed_wheel(installed_wheel: Path) -> None:
    code = (
        f"import {', '.join(PACKAGES)}\n"
        f"for package in ({', '.join(PACKAGES)}):\n"
        "    print(package.__file__)\n"
        "from importlib.metadata import distribution\n"
        "for point in distribution('prefect-stac-asset').entry_points:\n"
        "    point.load()\n"
    )
    # -I keeps the environment, and the working folder, out of the search path.
    code = f"import sys; sys.path.insert(0, {str(installed_wheel)!r})\n{code}"
    start = [sys.executable, "-I", "-c", code]
    done = subprocess.run(start, check=True, capture_output=True, text=True, cwd=installed_wheel)
    places = done.stdout.splitlines()
    assert [place.startswith(str(installed_wheel)) for place in places] == [True] * 4


def test_modules_of_flows_hide_no_other_package() -> None:
    # Prefect puts the folder of a flow that it loads by path first on `sys.path`.
    others = {*sys.stdlib_module_names, *packages_distributions()} - set(PACKAGES)
    assert {path.stem for path in (ROOT / "flows").glob("*.py")} & others == set()


LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-lowest.lock")


def pins(lock: str) -> dict[str, str]:
    """Returns the version of each package of a lock; extras and markers are left out.

    A package that a lock pins once for each Python has the version for the oldest.
    """
    text = (ROOT / lock).read_text()
    found = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", text, re.M)
    assert len(found) > 100
    return dict(reversed(found))


@pytest.fixture(scope="module")
def bounds(wheel: Path) -> dict[str, SpecifierSet]:
    """The versions of each dependency, extras included, that the wheel's metadata admit."""
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    requirements = [Requirement(line) for line in lines]
    return {requirement.name: requirement.specifier for requirement in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_everything_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[^]]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_packages_with_extras_without_them_too(lock: str) -> None:
    """The pip of Python 3.11 would look for the newest version of such a package."""
    text = (ROOT / lock).read_text()
    with_extras = set(re.findall(r"^([a-z0-9._-]+)\[[^]]*\](==\S+)", text, re.M))
    assert "sqlalchemy" in dict(with_extras)
    assert with_extras <= set(re.findall(r"^([a-z0-9._-]+)(==\S+)", text, re.M))


def test_development_lock_extends_the_other() -> None:
    run, develop = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: develop.get(name) for name in run} == run


@pytest.mark.parametrize("lock", LOCKS)
def test_locked_versions_are_within_the_bounds_of_the_wheel(
    lock: str, bounds: dict[str, SpecifierSet]
) -> None:
    pinned = pins(lock)
    checked = {name: bounds[name] for name in bounds.keys() & pinned.keys()}
    assert {"prefect", "sqlalchemy", "fastapi", "pydantic"} <= checked.keys()
    outside = [name for name, versions in checked.items() if pinned[name] not in versions]
    assert outside == []


def test_lowest_lock_has_the_lower_bounds_of_the_wheel(bounds: dict[str, SpecifierSet]) -> None:
    pinned = pins("requirements-lowest.lock")
    assert bounds.keys() <= pinned.keys()
    for name in ("prefect", "sqlalchemy", "pydantic", "aiohttp", "pystac-client", "pyproj"):
        (lowest,) = (bound.version for bound in bounds[name] if bound.operator == ">=")
        assert Version(pinned[name]) == Version(lowest), name


# docs/decisions/0007-versions-of-prefect.md has the table of these.
BROKEN = [
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
WORKING = [
    {"prefect": "3.8.0", "sqlalchemy": "2.0.16", "fastapi": "0.139.0", "pydantic": "2.11.5"},
    {"prefect": "3.8.0", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
    {"prefect": "3.8.8", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
    {"prefect": "3.9.0", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
    {"prefect": "3.9.1", "sqlalchemy": "2.0.58", "fastapi": "0.150.0"},
]


@pytest.mark.parametrize("versions", BROKEN)
def test_wheel_excludes_versions_that_do_not_work_together(
    versions: dict[str, str], bounds: dict[str, SpecifierSet]
) -> None:
    assert not all(version in bounds[name] for name, version in versions.items())


@pytest.mark.parametrize("versions", WORKING)
def test_wheel_admits_versions_that_work_together(
    versions: dict[str, str], bounds: dict[str, SpecifierSet]
) -> None:
    assert all(version in bounds[name] for name, version in versions.items())
