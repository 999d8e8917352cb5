"""Finds the STAC documents of a destination, and the part files that downloads left there.

Documents are not trusted, because any file may have come with the data. A downloaded asset can also
be STAC JSON. Therefore:

- A file that a document references as an asset is data, and not a document.
- Assets outside of the destination are not read.
- A document is never repaired.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from stac_asset.concurrency import bounded, cancel_all, in_thread
from stac_asset.destinations.interface import Destination, Destinations
from stac_asset.destinations.location import Location, absolute, location_of
from stac_asset.destinations.part_names import is_part_name
from stac_asset.errors import SourceError, StacAssetError, UnsafePathError
from stac_asset.verify.expected import ExpectedAsset, expected_assets, file_location, owners_of

_T = TypeVar("_T")

_GROUP = 16
"""Number of documents that a thread reads."""

_MAX_GROUPS = 2
"""Maximum number of these groups that are read at the same time."""

_MAX_SMALL = 1024 * 1024
"""Maximum size in bytes of a document that is read together with others."""

_BATCH = 1000
"""Number of assets of a batch."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document or folder that cannot be read."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The documents of a destination, and leftovers of downloads."""

    directory: Location
    """The absolute path of the directory, or the prefix of an object store."""

    documents: tuple[Location, ...]
    """The STAC documents that are not assets of other documents."""

    unreadable: tuple[Unreadable, ...]
    """Files that are not complete JSON, and files and folders that cannot be read."""

    leftovers: tuple[str, ...]
    """The part files and resume notes of interrupted downloads."""

    destination: Destination
    """The destination of the files."""

    _keys: tuple[str, ...]
    """The keys of the documents."""

    _document_keys: frozenset[str]

    async def batches(self) -> AsyncGenerator[list[ExpectedAsset], None]:
        """Yield the assets of all documents in lists. Each document is read again.

        Raises:
            SourceError: A document was changed after the inventory and cannot be read.
        """
        batch: list[ExpectedAsset] = []
        large: list[str] = []
        async with aclosing(_read(self.destination, self._keys, self._small_documents)) as found:
            async for documents in found:
                for key, assets in documents:
                    if assets is None:
                        large.append(key)
                    else:
                        batch += assets
                if len(batch) >= _BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch
        for key in large:
            async with self.destination.open_copy(key) as path:
                expected = self._expected(path, key)
                while batch := await in_thread(_take, expected):
                    yield batch

    def _small_documents(
        self, copies: Sequence[tuple[str, Path]]
    ) -> list[tuple[str, list[ExpectedAsset] | None]]:
        """Return the assets of each document, or None for a large document."""
        return [
            (key, None if _is_large(path) else list(self._expected(path, key)))
            for key, path in copies
        ]

    def _expected(self, path: Path, key: str) -> Iterator[ExpectedAsset]:
        document = str(self.directory / key)
        return expected_assets(document, owners_of(path, document) or ())

    def key_of(self, asset: ExpectedAsset) -> str | None:
        """Return the key of the file of an asset, or None if the asset was not downloaded.

        Symlinks are resolved, so all assets with the same file have the same key.

        Args:
            asset: The asset, as its document declares it.

        Raises:
            HrefError: The href is missing or invalid.
            UnsafePathError: The file is a document, or is outside of the destination.
        """
        location = file_location(asset, self.directory)
        if location is None:
            return None
        key = self.destination.real_key(location)
        if key in self._document_keys:
            raise UnsafePathError(f"the file {location} is a document, not an asset")
        return key


async def take_inventory(
    directory: str | os.PathLike[str], destinations: Destinations
) -> Inventory:
    """Return the documents and leftovers of a directory or prefix, and of all folders below.

    Args:
        directory: The directory, or the URL of a prefix. Symlinks to folders are not followed.
        destinations: The destinations of the run.

    Raises:
        SourceError: The directory does not exist, or contains no STAC document.
        DestinationError: The value is no path and no URL of a prefix, or a request failed.
    """
    top = absolute(location_of(directory))
    destination = destinations.destination_of(str(top))
    if isinstance(top, Path) and not os.path.isdir(top):
        raise SourceError(f"the directory {top} does not exist. Correct the path.")
    unreadable = {
        found.key: found.reason
        for found in await destination.omitted_files()
        if found.is_folder or _is_json(found.key)
    }
    leftovers: list[str] = []
    candidates: list[str] = []
    async for file in destination.list_files():
        if is_part_name(file.key.rpartition("/")[2]):
            leftovers.append(str(top / file.key))
        elif _is_json(file.key):
            candidates.append(file.key)
    references: dict[str, set[str]] = {}

    def read(copies: Sequence[tuple[str, Path]]) -> list[tuple[str, set[str] | str | None]]:
        return [(key, _references(path, top, key, destination)) for key, path in copies]

    async with aclosing(_read(destination, candidates, read)) as reading:
        async for found in reading:
            for key, result in found:
                if isinstance(result, str):
                    unreadable[key] = result
                elif result is not None:
                    references[key] = result
    documents, data = _separate(references)
    bad = tuple(
        Unreadable(str(top / key if key else top), unreadable[key])
        for key in sorted(unreadable)
        if key not in data
    )
    if not documents and not bad:
        raise SourceError(
            f"the directory {top} contains no STAC document. Choose the directory of a download."
        )
    keys = tuple(sorted(documents))
    return Inventory(
        directory=top,
        documents=tuple(top / key for key in keys),
        unreadable=bad,
        leftovers=tuple(sorted(leftovers)),
        destination=destination,
        _keys=keys,
        _document_keys=frozenset(documents),
    )


def _is_json(key: str) -> bool:
    return key.lower().endswith(".json")


async def _read(
    destination: Destination,
    keys: Sequence[str],
    parse: Callable[[Sequence[tuple[str, Path]]], _T],
) -> AsyncGenerator[_T, None]:
    """Yield the results of a function that gets several documents, in a thread.

    A thread for each document would cost as much as reading a usual document.
    """

    async def read(group: Sequence[str]) -> _T:
        async with AsyncExitStack() as stack:
            opening = [
                asyncio.create_task(stack.enter_async_context(destination.open_copy(key)))
                for key in group
            ]
            try:
                paths = await asyncio.gather(*opening)
            except BaseException:
                await cancel_all(opening)  # Before the stack removes the copies.
                raise
            return await in_thread(parse, list(zip(group, paths, strict=True)))

    groups = [keys[start : start + _GROUP] for start in range(0, len(keys), _GROUP)]
    async with aclosing(bounded(read, groups, _MAX_GROUPS)) as results:
        async for result in results:
            yield result


def _take(assets: Iterator[ExpectedAsset]) -> list[ExpectedAsset]:
    return list(islice(assets, _BATCH))


def _is_large(path: Path) -> bool:
    try:
        return path.stat().st_size > _MAX_SMALL
    except OSError:
        return False  # The error is reported when the document is read.


def _references(
    path: Path, top: Location, key: str, destination: Destination
) -> set[str] | str | None:
    """Return the keys of the JSON files that a document references.

    Args:
        path: The document, or a copy of it.
        top: The destination.
        key: The key of the document.
        destination: The destination.

    Returns:
        The keys, None if the file is not STAC, or the reason why the file cannot be read.
    """
    document = str(top / key)
    files = set()
    try:
        owners = owners_of(path, document)
        if owners is None:
            return None
        for asset in expected_assets(document, owners):
            with suppress(StacAssetError):  # The check of the asset reports the error.
                location = file_location(asset, top)
                if location is not None and _is_json(location):
                    files.add(destination.real_key(location))
    except SourceError as error:
        return error.message
    return files


def _separate(references: Mapping[str, set[str]]) -> tuple[set[str], set[str]]:
    """Separate documents from the JSON files that documents reference as assets.

    Files referenced as assets cannot declare assets themselves. If documents reference each other
    in a cycle, all of them count as documents.

    Args:
        references: The keys of the JSON files that each candidate references.

    Returns:
        The keys of the documents, and those of the referenced JSON files.
    """
    waiting = {key: files - {key} for key, files in references.items()}
    documents: set[str] = set()
    data: set[str] = set()
    while waiting:
        referenced = set().union(*waiting.values())
        unreferenced = waiting.keys() - referenced
        data.update(*(waiting[key] for key in unreferenced))
        documents |= unreferenced or waiting.keys()
        waiting = {
            key: files for key, files in waiting.items() if key not in documents and key not in data
        }
    return documents, data - documents
