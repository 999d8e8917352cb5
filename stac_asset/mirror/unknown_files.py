"""Finds and removes files in mirrors that the state of the mirror does not name.

The command `verify` and the flow `verify` call these functions. Earlier releases did not record all
files, and users can add files of their own. Such files are only removed on request.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from stac_asset.concurrency import in_executor
from stac_asset.destinations import BusyError, Destination, Destinations
from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.documents import new_file
from stac_asset.destinations.local.os_errors import map_os_errors
from stac_asset.destinations.location import StorePath
from stac_asset.destinations.part_names import is_part_name, is_part_of
from stac_asset.errors import DestinationError
from stac_asset.mirror.catalog_document import is_mirror_catalog
from stac_asset.mirror.layout import (
    CATALOG,
    COLLECTION,
    REPORT,
    RESERVED,
    STARTED,
    STATE_FILES,
    collection_folder,
    document_path,
)
from stac_asset.mirror.output.item_links import is_link_file
from stac_asset.mirror.output.parquet_parts import is_part
from stac_asset.mirror.state.index import MirrorState, read_state
from stac_asset.mirror.state.index_files import is_index_file
from stac_asset.mirror.state.started import recorded_files
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.mirror.storage.open import open_storage


def unknown_files(directory: str | os.PathLike[str], keep: Collection[str] = ()) -> list[str]:
    """Return the unrecorded files of the mirrors in a directory.

    Args:
        directory: A mirror, or a directory with mirrors.
        keep: Absolute paths of further files that are known, such as a report.
    """
    return [
        str(root / file)
        for root in _mirrors(Path(os.path.abspath(directory)))
        for file in _unknown(root, keep)
    ]


def remove_unknown_files(
    directory: str | os.PathLike[str], keep: Collection[str] = ()
) -> list[str]:
    """Remove the unrecorded files of the mirrors in a directory, and return the paths.

    Symlinks are removed, and not the files that they lead to. Folders that become empty are
    removed.

    Args:
        directory: A mirror, or a directory with mirrors.
        keep: Absolute paths of further files that are known, such as a report.

    Raises:
        DestinationError: A run of a mirror is in progress, or a file cannot be removed.
    """
    removed = []
    for root in _mirrors(Path(os.path.abspath(directory))):
        try:
            # Runs of the mirror have this lock.
            with new_file(root / REPORT, root):
                for file in _unknown(root, keep):
                    _remove(root, file)
                    removed.append(str(root / file))
        except BusyError:
            raise DestinationError(
                f"cannot remove unknown files in {root}: a run of the mirror is in progress. Wait "
                "for the run to end."
            ) from None
    return removed


async def unknown_objects(
    prefix: StorePath,
    destinations: Destinations,
    remove: bool = False,
    keep: Collection[str] = (),
) -> list[str]:
    """Return the unrecorded objects of the mirrors in a prefix, and remove them on request.

    Args:
        prefix: A mirror, or a prefix with mirrors.
        destinations: The destinations of the run.
        remove: Remove the objects.
        keep: URLs of further objects that are known, such as a report.

    Raises:
        DestinationError: A run of a mirror is in progress, or a request failed.
    """
    destination = destinations.destination_of(str(prefix))
    # A file is on record before it exists. So files are listed before the records are read.
    keys = [file.key async for file in destination.list_files()]
    roots = await _stored_mirrors(keys, destination)
    unknown: list[str] = []
    for root in roots:
        inner = [other for other in roots if other != root and other.startswith(root)]
        files = [
            key.removeprefix(root)
            for key in sorted(keys)
            if key.startswith(root) and not key.startswith(tuple(inner))
        ]
        place = prefix / root.rstrip("/") if root else prefix
        async with open_storage(place, destinations, writable=remove) as storage:
            state = await in_executor(storage.executor, read_state, storage)
            known = await in_executor(storage.executor, _known_files, state)
        found = [file for file in files if not _is_known(file, known)]
        for file in found:
            url = str(place / file)
            if url in keep:
                continue
            if remove:
                await destination.remove(root + file)
            unknown.append(url)
    return unknown


async def _stored_mirrors(keys: Sequence[str], destination: Destination) -> list[str]:
    """Return the prefixes of mirrors, each with a slash at the end unless empty."""
    roots = {key.removesuffix(STARTED) for key in keys if f"/{key}".endswith(f"/{STARTED}")}
    for key in keys:
        if f"/{key}".endswith(f"/{CATALOG}"):
            found = await destination.read(key)
            if found is not None and is_mirror_catalog(found.data):
                roots.add(key.removesuffix(CATALOG))
    return sorted(roots)


def _mirrors(top: Path) -> Iterator[Path]:
    """Yield the mirrors in a directory. Symlinks to folders are not followed."""
    for folder, folders, _ in os.walk(top):
        folders.sort()
        path = Path(folder)
        if is_mirror_catalog(LocalStorage(path).read(CATALOG)) or (path / STARTED).exists():
            yield path


def _unknown(root: Path, keep: Collection[str]) -> list[str]:
    """Return the paths of unknown files, relative to the mirror, with slashes."""
    # A file is on record before it exists. So files are listed before the records are read.
    storage = LocalStorage(root)
    files = list(storage.files())
    known = _known_files(read_state(storage))
    return [
        file
        for file in files
        if not _is_known(file, known)
        and str(root / file) not in keep
        and os.path.lexists(root / file)
    ]


def unrecorded_files(storage: MirrorStorage, state: MirrorState) -> Iterator[str]:
    """Yield the paths of the files of a mirror that no record names, relative to the mirror.

    Args:
        storage: The files of the mirror.
        state: State of the mirror.
    """
    known = _known_files(state)
    return (file for file in storage.files() if not _is_known(file, known))


def _known_files(state: MirrorState) -> dict[str, set[str] | None]:
    """Return the names of known files by folder. None stands for all files of a folder."""
    known: defaultdict[str, set[str] | None] = defaultdict(set)

    def add(file: str) -> None:
        folder, _, name = file.rpartition("/")
        names = known[folder]
        if names is not None:
            names.add(name)

    for file in (*RESERVED, *STATE_FILES):
        add(file)
    for key in state.rows.keys() | state.started.keys():
        document, started = document_path(key), state.started.get(key)
        folder = document.rpartition("/")[0]
        if started is not None and started.files is None:
            known[folder] = None  # An earlier release did not record the files.
        add(document)
        for name in recorded_files(state.rows.get(key), started):
            add(f"{folder}/{name}")
        if key.collection is not None:
            add(f"{collection_folder(key.collection)}/{COLLECTION}")
    return dict(known)


def _is_known(file: str, known: dict[str, set[str] | None]) -> bool:
    if is_index_file(file) or is_link_file(file) or is_part(file):
        return True
    folder, _, name = file.rpartition("/")
    names = known.get(folder, set())
    if names is None or name in names:
        return True
    return is_part_name(name) and is_part_of(name, names)


def _remove(root: Path, file: str) -> None:
    """Remove a file, and the folders that become empty.

    Raises:
        DestinationError: The file cannot be removed.
    """
    with map_os_errors(str(root / file)), suppress(FileNotFoundError):
        folder = ContainedDirectory(root).open_folder(file)
        os.unlink(file.rpartition("/")[2], dir_fd=folder.fd)
    with suppress(OSError):  # The folder has other files.
        for parent in (root / file).relative_to(root).parents:
            if parent != Path():
                (root / parent).rmdir()
