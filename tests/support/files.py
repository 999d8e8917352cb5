"""Files in a download directory."""

from __future__ import annotations

from pathlib import Path


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
