"""A virtual environment with the packages of a lock file, from the environment of the tests."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name


def make_locked_environment(folder: Path, lock: Path) -> None:
    """Create an environment with pip, and link the packages of a lock file into it.

    A package is missing if the environment of the tests has another version. pip finds the linked
    packages installed. The download and the installation of all packages would take pip a minute
    of a core, and the first import of the modules another half minute.

    Args:
        folder: The folder of the new environment.
        lock: The lock file.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    # The versions of a package can depend on the version of Python.
    pins = set(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.M))
    target = Path(
        sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    )
    for package in distributions():
        name = canonicalize_name(package.name)
        if name == "pip" or (name, package.version) in pins:
            _link(package, target)


def _link(package: Distribution, target: Path) -> None:
    """Link the files of a package, except for the scripts, which name their interpreter."""
    for file in package.files or ():
        if ".." not in file.parts:
            link = target / file
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(Path(package.locate_file(file)))
