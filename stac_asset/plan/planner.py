"""Plans the file and the candidate hrefs of each asset of a run.

`api`, `mirror`, `verify`, the command line and the flows plan here before any byte is transferred.
Planning performs no I/O: facts about the file system are passed in.
"""

from __future__ import annotations

import logging
import os
import reprlib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pystac

from stac_asset.config import Config
from stac_asset.errors import (
    AssetOverwriteError,
    DestinationError,
    LocalHrefError,
    StacAssetError,
    UnsafePathError,
)
from stac_asset.hrefs import absolute_href, is_local
from stac_asset.integrity import Multihash
from stac_asset.plan.facts import FileSystemFacts
from stac_asset.plan.file_names import asset_file_name, safe_name
from stac_asset.plan.storage_extension import storage_of
from stac_asset.redact import redact_href
from stac_asset.types import Candidate, Failed, Storage, Transfer

logger = logging.getLogger(__name__)

Owner: TypeAlias = pystac.Item | pystac.Collection
"""An object that has assets."""


@dataclass(slots=True)
class Planner:
    """Plans a run, and detects files that two assets or documents of the run would share.

    Args:
        directory: The destination directory. All planned files are inside.
        config: The configuration.
        facts: The facts about the file system, usually `stac_asset.stac.local_facts.LOCAL_FACTS`.
    """

    directory: Path
    config: Config
    facts: FileSystemFacts
    _files: dict[str, str] = field(default_factory=dict)
    """The asset or document of each planned file, by folded path."""
    _folders: dict[str, str] = field(default_factory=dict)
    """The asset or document of the first planned file in each folder, by folded path."""
    _root: str = ""
    _root_length: int = 0
    """Length of the folded `_root`."""
    _owner: Owner | None = None
    """The owner that `_base` and `_is_local` belong to."""
    _base: str | None = None
    """The self href of `_owner`."""
    _is_local: bool | None = None
    """Whether `_owner` is a document on this machine. None if not determined yet."""
    _real_folders: dict[str, str] = field(default_factory=dict)
    """Results of `_real_folder`."""

    def __post_init__(self) -> None:
        self.directory = Path(os.path.abspath(self.directory))
        self._root = str(self.directory)
        self._root_length = len(_folded(self._root))

    def document(self, owner: str, file_name: str, source: str | None = None) -> Path:
        """Return the path of a document to write, and reserve the path.

        Args:
            owner: The name of the owner for messages, such as `item 'S2B_31UFU'`.
            file_name: The name of the document, relative to the directory.
            source: The href that the owner was read from, if known. The source is not replaced,
                because fields that the new document omits would be lost.

        Raises:
            UnsafePathError: The document would be outside of the directory, or the name is invalid.
            DestinationError: The document would replace the source.
            AssetOverwriteError: Another asset or document of the run has the same path.
        """
        path = Path(os.path.normpath(self.directory / file_name))
        if self.directory not in path.parents or not _is_name(file_name):
            raise UnsafePathError(
                f"`file_name` {file_name!r} is invalid or outside of the directory "
                f"{self.directory}. Choose a name inside of the directory."
            )
        if source is not None and is_local(source) and self.facts.is_same_file(source, path):
            raise DestinationError(
                f"{owner} was read from {path}, and the new document would replace this file. "
                "Choose another `directory` or `file_name`."
            )
        self._reserve(str(path), f"the document of {owner}")
        return path

    def assets(self, owner: Owner, folder: str = "") -> Iterator[Transfer | Failed]:
        """Plan the wanted assets of an item or collection.

        Args:
            owner: The item or collection. It is not changed.
            folder: The folder of the files, relative to the directory.

        Yields:
            A transfer for each wanted asset, or a failure if the asset cannot be planned.

        Raises:
            AssetOverwriteError: Two assets of the run would share a file.
        """
        for key, asset in owner.assets.items():
            if self.wants(key):
                planned = self.asset(key, asset, owner, folder)
                if isinstance(planned, Transfer):
                    paths = {_folded(found.path): found.path for found in planned.candidates}
                    for path in paths.values():
                        self._reserve(path, f"asset '{key}' of {planned.owner}")
                yield planned

    def asset(
        self, key: str, asset: pystac.Asset, owner: Owner | None = None, folder: str = ""
    ) -> Transfer | Failed:
        """Plan an asset, without checks for collisions with other assets.

        Args:
            key: The key of the asset.
            asset: The asset. It is not changed.
            owner: The item or collection of the asset, if any.
            folder: The folder of the file, relative to the directory.
        """
        name = owner_name(owner) if owner is not None else ""
        try:
            candidates = tuple(self._candidates(key, asset, owner, folder))
        except StacAssetError as error:
            error.owner, error.key = name, key
            return Failed(name, key, error)
        return Transfer(
            owner=name,
            key=key,
            candidates=candidates,
            directory=self._root,
            owner_id=str(owner.id) if owner is not None else None,
            content_type=asset.media_type if isinstance(asset.media_type, str) else None,
            size=_size(asset, key, name),
            checksum=_checksum(asset, key, name),
        )

    def wants(self, key: str) -> bool:
        """Return whether `include` and `exclude` select an asset.

        Args:
            key: The key of the asset.
        """
        return is_wanted(key, self.config)

    def _candidates(
        self, key: str, asset: pystac.Asset, owner: Owner | None, folder: str
    ) -> list[Candidate]:
        """Return the hrefs and files of an asset, in order of preference. The list is not empty.

        Raises:
            StacAssetError: No href of the asset is usable. The error is that of the first href.
        """
        base = self._base_of(owner)
        found: list[Candidate] = []
        first: StacAssetError | None = None
        for given, storage in _hrefs(asset, _common_fields(owner), self.config.alternate_assets):
            try:
                href = absolute_href(given, base)
                self._check_local(href, owner)
                file_name = asset_file_name(key, href, self.config.file_name_strategy)
            except StacAssetError as error:
                first = first or error
            else:
                found.append(Candidate(href, os.path.join(self._root, folder, file_name), storage))
        if not found and first is not None:
            raise first
        return found

    def _base_of(self, owner: Owner | None) -> str | None:
        """Return the self href of an owner. Cached, because `get_self_href` searches all links."""
        if owner is None or owner is not self._owner:
            self._owner, self._is_local = owner, None
            self._base = owner.get_self_href() if owner is not None else None
        return self._base

    def _check_local(self, href: str, owner: Owner | None) -> None:
        """Check that an owner may reference an href, if the href is local.

        Raises:
            LocalHrefError: The href is local, and the owner is remote or not trusted.
        """
        if not is_local(href):
            return
        allowed = self.config.allow_local_hrefs
        if allowed is None:
            if self._is_local is None:
                # An asset without an owner was created by the caller, who is trusted.
                self._is_local = owner is None or self.facts.is_local_document(owner)
            allowed = self._is_local
        if not allowed:
            raise LocalHrefError(
                f"remote item references local file '{redact_href(href)}'. Set "
                "`allow_local_hrefs=True` if you trust the item."
            )

    def _real_folder(self, folder: str) -> str:
        """Return a folder with the symlinks below the directory resolved.

        A symlink inside of the directory can give one folder two names.
        """
        real = self._real_folders.get(folder)
        if real is None:
            if len(folder) <= len(self._root):
                return folder
            parent, name = os.path.split(folder)
            real = os.path.join(self._real_folder(parent), name)
            if self.facts.is_symlink(real):
                real, root = self.facts.real_path(real), self.facts.real_path(self._root)
                if real.startswith(root + os.sep):  # Otherwise the destination refuses the folder.
                    real = self._root + real[len(root) :]
            self._real_folders[folder] = real
        return real

    def _reserve(self, path: str, description: str) -> None:
        """Reserve a path for an asset or document, and the folders above the path as folders.

        Args:
            path: The absolute path.
            description: The asset or document, for errors.

        Raises:
            AssetOverwriteError: The path is already reserved, or a folder above is a planned file.
        """
        parent, _, name = path.rpartition(os.sep)
        real = self._real_folder(parent)
        folded = _folded(path if real == parent else os.path.join(real, name))
        other = self._files.get(folded) or self._folders.get(folded)
        folders: list[str] = []
        folder = os.path.dirname(folded)
        while other is None and len(folder) > self._root_length and folder not in self._folders:
            other = self._files.get(folder)
            folders.append(folder)
            folder = os.path.dirname(folder)
        if other is not None:
            raise AssetOverwriteError([other, description], path)
        self._folders.update(dict.fromkeys(folders, f"the folder of {description}"))
        self._files[folded] = description


def is_wanted(key: str, config: Config) -> bool:
    """Return whether `Config.include` and `Config.exclude` select an asset.

    Args:
        key: The key of the asset.
        config: The configuration.
    """
    if config.include:
        return key in config.include
    return key not in config.exclude


def owner_name(owner: Owner) -> str:
    """Return the name of an item or collection for errors, such as `item 'S2B_31UFU'`.

    Args:
        owner: The item or collection.
    """
    return f"{'item' if isinstance(owner, pystac.Item) else 'collection'} '{owner.id}'"


def document_name(owner: Owner) -> str:
    """Return the file name of an item's document, made from the item's id.

    Args:
        owner: The item.
    """
    return safe_name(f"{owner.id}.json")


def _hrefs(
    asset: pystac.Asset, common: Mapping[str, Any], preferred: list[str]
) -> Iterator[tuple[object, Storage | None]]:
    """Yield the hrefs of an asset with storage fields, the preferred alternates first."""
    fields = asset.extra_fields
    alternates = fields.get("alternate")
    for name in preferred:
        alternate = alternates.get(name) if isinstance(alternates, Mapping) else None
        if isinstance(alternate, Mapping):
            yield alternate.get("href"), storage_of(alternate, fields, common)
    yield asset.href, storage_of(fields, fields, common)


def _common_fields(owner: Owner | None) -> Mapping[str, Any]:
    """Return the fields of an item or collection that apply to all of its assets."""
    if isinstance(owner, pystac.Item):
        return owner.properties
    return owner.extra_fields if owner is not None else {}


def _size(asset: pystac.Asset, key: str, owner: str) -> int | None:
    value = asset.extra_fields.get("file:size")
    if type(value) is int and value >= 0:
        return value
    if value is not None:
        _warn(key, owner, "file:size", value, "number of bytes")
    return None


def _checksum(asset: pystac.Asset, key: str, owner: str) -> str | None:
    value = asset.extra_fields.get("file:checksum")
    if value is not None and Multihash.parse(value) is None:
        _warn(key, owner, "file:checksum", value, "multihash of a known algorithm")
    return value if isinstance(value, str) else None


def _warn(key: str, owner: str, name: str, value: object, expected: str) -> None:
    # Real catalogs contain plain digests and ETags in these fields. Download the asset anyway.
    text = f"asset '{key}' of {owner}"
    text += f" can't be verified by its {name}: {reprlib.repr(value)} is not a {expected}"
    logger.warning("%s", text.encode(errors="backslashreplace").decode())


def _is_name(text: str) -> bool:
    """Return whether the file system can store a name."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _folded(path: str) -> str:
    """Return a path in which letter case and Unicode composition make no difference.

    Some file systems, such as those of macOS and Windows, treat such names as the same file.
    Source: canonical caseless matching in the Unicode standard, section 3.13 (D145).
    """
    if path.isascii():
        return path.lower()
    folded = unicodedata.normalize("NFD", path).casefold()
    return unicodedata.normalize("NFD", folded)
