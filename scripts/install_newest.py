"""Install the wheel without a lock file into a new environment, as users do.

    python scripts/install_newest.py FOLDER

The interpreter of this script becomes the one of the environment. The environment gets the newest
versions that the bounds of the wheel allow, then the extras and the tools of the tests.

The file `versions.txt` of the environment names the versions. If the index has a newer Prefect that
does not install, for example because the index lacks a version of a dependency, the file gives the
error of pip.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_SHOWN = ("prefect", "fastapi", "sqlalchemy", "pydantic")


def main(folder: Path) -> None:
    """Create the environment.

    Args:
        folder: The folder of the environment. An existing environment is replaced.
    """
    venv.create(folder, clear=True, with_pip=True)
    python = folder / "bin" / "python"
    wheels = folder / "wheel"
    _pip(python, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(_ROOT))
    (wheel,) = wheels.glob("*.whl")
    _pip(python, "install", "--quiet", str(wheel))
    _pip(python, "check")
    installed = _versions(python)
    named = ", ".join(f"{name} {installed[name]}" for name in _SHOWN)
    (folder / "versions.txt").write_text(
        f"Without a lock file, Python {sys.version.split()[0]} got {named}.\n"
        f"{_newest_prefect(python, installed['prefect'])}\n"
    )
    _pip(python, "install", "--quiet", *_test_requirements(wheel))
    _pip(python, "check")


def _pip(python: Path, *arguments: str) -> None:
    """Run pip. The script ends if pip fails."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    if status := subprocess.run(pip, check=False).returncode:
        sys.exit(status)


def _versions(python: Path) -> dict[str, str]:
    """Return the versions of the installed packages."""
    listed = subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"],
        check=True,
        capture_output=True,
    )
    return {package["name"].lower(): package["version"] for package in json.loads(listed.stdout)}


def _newest_prefect(python: Path, installed: str) -> str:
    """Return a sentence about the newest Prefect of the index.

    Args:
        python: The interpreter of the environment.
        installed: The installed version.
    """
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    asked = subprocess.run(
        [*pip, "index", "versions", "prefect"], check=False, capture_output=True, text=True
    )
    found = re.match(r"prefect \((\S+)\)", asked.stdout)
    if found is None:
        return "The index did not name the newest Prefect."
    newest = found[1]
    if newest == installed:
        return f"Prefect {newest} is the newest that the index has."
    tried = subprocess.run(
        [*pip, "install", "--dry-run", "--quiet", f"prefect=={newest}"],
        check=False,
        capture_output=True,
        text=True,
    )
    errors = [line for line in tried.stderr.splitlines() if line.startswith("ERROR")]
    reason = errors[-1] if errors else "the bounds of the wheel exclude this version"
    return f"Prefect {newest} of the index was not installed: {reason}"


def _test_requirements(wheel: Path) -> list[str]:
    """Return the requirements of the tests: the wheel with all extras, and the tools."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    extras = ",".join(project["project"]["optional-dependencies"])
    return [f"{wheel}[{extras}]", *project["dependency-groups"]["test"]]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
