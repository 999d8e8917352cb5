"""Files in a download directory."""

from __future__ import annotations

from pathlib import Path

from stac_asset.testing import Origin


def entry_names(directory: Path) -> list[str]:
    """Return the sorted names of all files and folders of a directory."""
    return sorted(entry.name for entry in directory.iterdir())


def hidden_files(directory: Path) -> list[str]:
    """Return the sorted names of hidden files, such as part files and resume notes."""
    return sorted(file.name for file in directory.iterdir() if file.name.startswith("."))


def list_files(directory: Path) -> list[Path]:
    """Return all files below a directory, including hidden files."""
    return [path for path in directory.rglob("*") if path.is_file()]


def relative_files(directory: Path) -> list[str]:
    """Return the sorted relative paths of all files below a directory.

    The name of each file must contain a dot, and the name of a folder must not.
    """
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*.*"))


def put_directory(origin: Origin, directory: Path, prefix: str = "") -> None:
    """Put all files of a directory on an origin."""
    for path in list_files(directory):
        origin.put(f"{prefix}/{path.relative_to(directory).as_posix()}", path.read_bytes())
