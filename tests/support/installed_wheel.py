"""A virtual environment with the built wheel, as users install it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path


class WheelEnvironment:
    """A virtual environment that contains the wheel and no file of the repository.

    The packages that the wheel requires come from the environment of the tests. `.pth` files of
    that environment are not processed, so the editable installation of the repository cannot be
    imported.

    Args:
        folder: Folder in which the environment is created.
        wheel: The wheel.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python = folder / "bin" / "python"
        self.site_packages = Path(
            sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
        )
        dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (self.site_packages / "dependencies.pth").write_text("\n".join(sorted(dependencies)))
        self.pip("install", "--no-deps", "--no-index", str(wheel))

    def pip(self, *arguments: str) -> None:
        """Run pip on the environment."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet"]
        subprocess.run([*command, *arguments], check=True, capture_output=True)

    def run(
        self, *arguments: str, folder: Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the interpreter of the environment with a folder as its working directory."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
