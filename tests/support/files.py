"""Files in a download directory."""

from __future__ import annotations

from pathlib import Path


def entry_names(directory: Path) -> list[str]:
    """Return the sorted names of all files and folders of a directory."""
    return sorted(entry.name for entry in directory.iterdir())


def hidden_files(directory: Path) -> list[str]:
    """Return the sorted names of hidden files, such as part files and resume notes."""
    return sorted(file.name for file in directory.iterdir() if file.name.startswith("."))
