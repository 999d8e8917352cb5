"""What is built and pinned: the wheel, and the locks."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("stac_asset", "blocks", "flows", "deployments")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


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


def test_packages_import_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(tmp_path), str(wheel)], check=True, capture_output=True)
    code = (
        f"import {', '.join(PACKAGES)}\n"
        f"for package in ({', '.join(PACKAGES)}):\n"
        "    print(package.__file__)\n"
        "from importlib.metadata import distribution\n"
        "for point in distribution('prefect-stac-asset').entry_points:\n"
        "    point.load()\n"
    )
    # -I keeps the environment, and the working folder, out of the search path.
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"
    start = [sys.executable, "-I", "-c", code]
    done = subprocess.run(start, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert [line.startswith(str(tmp_path)) for line in done.stdout.splitlines()] == [True] * 4


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)(==\S+(?: ; [^\\]+)?)", text, re.M))


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_pins_everything_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[\S+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_development_lock_extends_the_other() -> None:
    run, develop = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: develop.get(name, "").split(" ;")[0] for name in run} == {
        name: pin.split(" ;")[0] for name, pin in run.items()
    }


def test_lock_excludes_the_web_framework_that_breaks_prefect() -> None:
    version = pins("requirements.lock")["fastapi"].removeprefix("==")
    assert tuple(int(part) for part in version.split(".")[:2]) < (0, 151)
