"""What a directory of downloads holds: STAC documents, what they say of files, and leftovers.

No document is trusted, since any file may have come with the data: an asset can be a STAC document
itself, and say what it likes. So a file that a document names as its asset is data and no document;
an asset outside of the directory is not looked at; and no document is anybody's asset to repair.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stac_asset.destinations.local.part_names import is_part_name
from stac_asset.errors import HrefError, SourceError, StacAssetError, UnsafePathError
from stac_asset.redact import redact_href
from stac_asset.verify.expected import ExpectedAsset, local_file, owners_of, stated


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document, or a folder, of which nobody can tell what is in it."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The documents of a directory, and what was found beside them."""

    directory: Path
    """The absolute path of the directory."""

    documents: tuple[Path, ...]
    """The STAC documents, none of which is an asset of another one."""

    unreadable: tuple[Unreadable, ...]
    """What is no whole JSON, or cannot be read."""

    leftovers: tuple[str, ...]
    """The part files of downloads that did not come to their end, and the notes beside them."""

    _root: str
    _real_documents: frozenset[str]

    def assets(self) -> Iterator[ExpectedAsset]:
        """Yields the assets of all documents, which are read one after the other.

        Raises:
            SourceError: A document changed in the meantime, and cannot be read any more.
        """
        for document in self.documents:
            yield from stated(document, owners_of(document) or ())

    def file_of(self, asset: ExpectedAsset) -> Path | None:
        """Returns the file of an asset, or None where that is on no disk of ours.

        Args:
            asset: What a document says.

        Raises:
            HrefError: The href is none.
            UnsafePathError: The file lies outside of the directory, symlinks followed, or is a
                document.
        """
        path = local_file(asset)
        if path is None:
            return None
        real = _real(path)
        if not _is_below(real, self._root):
            raise UnsafePathError(f"the file {path} lies outside of the directory {self.directory}")
        if real in self._real_documents:
            raise UnsafePathError(f"the file {path} is a document, and no asset")
        return path


def take_inventory(directory: str | os.PathLike[str]) -> Inventory:
    """Returns what a directory holds.

    Args:
        directory: The directory. Folders in it that are symlinks are not entered.

    Raises:
        SourceError: There is no such directory, or no STAC document in it.
    """
    top = Path(os.path.abspath(directory))
    root = os.path.realpath(top)
    if not os.path.isdir(root):
        raise SourceError(f"there is no directory {top}")
    unreadable: list[Unreadable] = []
    leftovers: list[str] = []
    claims: dict[Path, set[str]] = {}
    for path in _files(top, unreadable):
        if is_part_name(path.name):
            leftovers.append(str(path))
        elif path.suffix.lower() == ".json":
            try:
                _check_regular(path, root)
                owners = None if path.is_symlink() else owners_of(path)
                if owners is not None:
                    claims[path] = _claimed(stated(path, owners))
            except SourceError as error:
                unreadable.append(Unreadable(str(path), error.message))
    documents, data = _told_apart(claims)
    unreadable = [found for found in unreadable if _real(Path(found.path)) not in data]
    if not documents and not unreadable:
        raise SourceError(f"there is no STAC document in the directory {top}")
    return Inventory(
        directory=top,
        documents=documents,
        unreadable=tuple(unreadable),
        leftovers=tuple(leftovers),
        _root=root,
        _real_documents=frozenset(_real(path) for path in documents),
    )


def _files(top: Path, unreadable: list[Unreadable]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unreadable.append(Unreadable(str(error.filename), error.strerror or "it cannot be read"))

    for folder, folders, names in os.walk(top, onerror=note):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)


def _told_apart(claims: Mapping[Path, set[str]]) -> tuple[tuple[Path, ...], set[str]]:
    """Returns the documents, and the files that they name as their assets.

    What is data has no word in what is data. In a circle nobody's word counts, and all of it are
    documents.
    """
    waiting = {_real(path): claimed - {_real(path)} for path, claimed in claims.items()}
    documents: set[str] = set()
    data: set[str] = set()
    while waiting:
        claimed = set().union(*waiting.values())
        first = waiting.keys() - claimed
        data.update(*(waiting[path] for path in first))
        documents |= first or waiting.keys()
        waiting = {
            path: names
            for path, names in waiting.items()
            if path not in documents and path not in data
        }
    return tuple(path for path in claims if _real(path) in documents), data - documents


def _claimed(assets: Iterable[ExpectedAsset]) -> set[str]:
    """Returns the JSON files among assets."""
    claimed = set()
    for asset in assets:
        try:
            path = local_file(asset)
            if path is not None and path.suffix.lower() == ".json":
                claimed.add(_real(path))
        except StacAssetError:
            continue  # Which is heard of when the asset is checked.
    return claimed


def _check_regular(path: Path, root: str) -> None:
    """Checks that a file is one, and in the directory.

    Raises:
        SourceError: It is not.
    """
    if not _is_below(_real(path), root):
        raise SourceError("it leads out of the directory")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SourceError(f"it cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise SourceError("it is no file")


def _real(path: Path) -> str:
    """Returns a path with its symlinks followed.

    Raises:
        HrefError: It holds what no path can.
    """
    try:
        return os.path.realpath(path)
    except ValueError as error:
        raise HrefError(f"'{redact_href(str(path))}' names no file: {error}") from None


def _is_below(real: str, root: str) -> bool:
    return real.startswith(root.rstrip(os.sep) + os.sep)
