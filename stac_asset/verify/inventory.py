"""Finds the STAC documents of a directory, and the part files that downloads left there.

Documents are not trusted, because any file may have come with the data. A downloaded asset can also
be STAC JSON. Therefore:

- A file that a document references as an asset is data, and not a document.
- Assets outside of the directory are not read.
- A document is never repaired.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stac_asset.destinations.directories import directory_path
from stac_asset.destinations.part_names import is_part_name
from stac_asset.errors import HrefError, SourceError, StacAssetError, UnsafePathError
from stac_asset.redact import redact_href
from stac_asset.verify.expected import ExpectedAsset, expected_assets, local_file, owners_of


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document or folder that cannot be read."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The documents of a directory, and leftovers of downloads."""

    directory: Path
    """The absolute path of the directory."""

    documents: tuple[Path, ...]
    """The STAC documents that are not assets of other documents."""

    unreadable: tuple[Unreadable, ...]
    """Files that are not complete JSON, and files and folders that cannot be read."""

    leftovers: tuple[str, ...]
    """The part files and resume notes of interrupted downloads."""

    _root: str
    _real_documents: frozenset[str]

    def assets(self) -> Iterator[ExpectedAsset]:
        """Yield the assets of all documents. Each document is read again.

        Raises:
            SourceError: A document was changed after the inventory and cannot be read.
        """
        for document in self.documents:
            yield from expected_assets(document, owners_of(document) or ())

    def file_of(self, asset: ExpectedAsset) -> Path | None:
        """Return the path of the file of an asset, if the href is local.

        Args:
            asset: The asset, as its document declares it.

        Raises:
            HrefError: The href is missing or invalid.
            UnsafePathError: The file is a document, or is outside of the directory after symlinks
                are resolved.
        """
        path = local_file(asset)
        if path is None:
            return None
        real = _real(path)
        if not _is_below(real, self._root):
            raise UnsafePathError(f"the file {path} is outside of the directory {self.directory}")
        if real in self._real_documents:
            raise UnsafePathError(f"the file {path} is a document of the directory, not an asset")
        return path


def take_inventory(directory: str | os.PathLike[str]) -> Inventory:
    """Return the documents and leftovers of a directory and all folders below.

    Args:
        directory: The directory. Symlinks to folders are not followed.

    Raises:
        SourceError: The directory does not exist, or contains no STAC document.
        DestinationError: The directory is empty or not a path.
    """
    top = Path(os.path.abspath(directory_path(directory)))
    root = os.path.realpath(top)
    if not os.path.isdir(root):
        raise SourceError(f"the directory {top} does not exist. Correct the path.")
    unreadable: list[Unreadable] = []
    leftovers: list[str] = []
    references: dict[Path, set[str]] = {}
    for path in _files(top, unreadable):
        if is_part_name(path.name):
            leftovers.append(str(path))
        elif path.suffix.lower() == ".json":
            try:
                _check_regular(path, root)
                owners = None if path.is_symlink() else owners_of(path)
                if owners is not None:
                    references[path] = _json_files(expected_assets(path, owners))
            except SourceError as error:
                unreadable.append(Unreadable(str(path), error.message))
    documents, data = _separate(references)
    unreadable = [found for found in unreadable if _real(Path(found.path)) not in data]
    if not documents and not unreadable:
        raise SourceError(
            f"the directory {top} contains no STAC document. Choose the directory of a download."
        )
    return Inventory(
        directory=top,
        documents=documents,
        unreadable=tuple(unreadable),
        leftovers=tuple(leftovers),
        _root=root,
        _real_documents=frozenset(_real(path) for path in documents),
    )


def _files(top: Path, unreadable: list[Unreadable]) -> Iterator[Path]:
    """Yield all files of a directory in order, and add unreadable folders to a list."""

    def add_unreadable(error: OSError) -> None:
        unreadable.append(
            Unreadable(str(error.filename), error.strerror or "the folder cannot be read")
        )

    for folder, folders, names in os.walk(top, onerror=add_unreadable):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)


def _separate(references: Mapping[Path, set[str]]) -> tuple[tuple[Path, ...], set[str]]:
    """Separate documents from the JSON files that documents reference as assets.

    Files referenced as assets cannot declare assets themselves. If documents reference each other
    in a cycle, all of them count as documents.

    Args:
        references: The real paths of the JSON files that each candidate references.

    Returns:
        The documents, and the real paths of the referenced JSON files.
    """
    waiting = {_real(path): files - {_real(path)} for path, files in references.items()}
    documents: set[str] = set()
    data: set[str] = set()
    while waiting:
        referenced = set().union(*waiting.values())
        unreferenced = waiting.keys() - referenced
        data.update(*(waiting[path] for path in unreferenced))
        documents |= unreferenced or waiting.keys()
        waiting = {
            path: files
            for path, files in waiting.items()
            if path not in documents and path not in data
        }
    return tuple(path for path in references if _real(path) in documents), data - documents


def _json_files(assets: Iterable[ExpectedAsset]) -> set[str]:
    """Return the real paths of the local JSON files among assets."""
    files = set()
    for asset in assets:
        try:
            path = local_file(asset)
            if path is not None and path.suffix.lower() == ".json":
                files.add(_real(path))
        except StacAssetError:
            continue  # The check of the asset reports the error.
    return files


def _check_regular(path: Path, root: str) -> None:
    """Check that a path is a regular file inside of the directory.

    Raises:
        SourceError: The path is outside of the directory, or is not a regular file.
    """
    if not _is_below(_real(path), root):
        raise SourceError("the symlink leads outside of the directory")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise SourceError("the path is not a regular file")


def _real(path: Path) -> str:
    """Return a path with all symlinks resolved.

    Raises:
        HrefError: The path contains characters that no file name can have.
    """
    try:
        return os.path.realpath(path)
    except ValueError as error:
        raise HrefError(f"'{redact_href(str(path))}' cannot name a file: {error}") from None


def _is_below(real: str, root: str) -> bool:
    return real.startswith(root.rstrip(os.sep) + os.sep)
