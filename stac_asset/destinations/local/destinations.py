"""The local directories of a run.

The public functions, the command line and the flows create `LocalDestinations` for the engine.
"""

from __future__ import annotations

from stac_asset.destinations.local.destination import LocalDestination


class LocalDestinations:
    """The local directories of a run.

    Args:
        make_directory: Whether the directories may be created.
        fsync: Whether files are synced to the disk before they get their final names.
    """

    def __init__(self, make_directory: bool = True, fsync: bool = True) -> None:
        self._make_directory = make_directory
        self._fsync = fsync
        self._opened: dict[str, LocalDestination] = {}

    def destination_of(self, directory: str) -> LocalDestination:
        """Return the destination of a directory. Each call returns the same object.

        Args:
            directory: The absolute path of the directory.
        """
        found = self._opened.get(directory)
        if found is None:
            found = LocalDestination(directory, self._make_directory, self._fsync)
            self._opened[directory] = found
        return found

    def close(self) -> None:
        """Close the open folders of all directories."""
        for opened in self._opened.values():
            opened.close()
