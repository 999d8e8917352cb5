"""Plans which assets become which files, from which hrefs: pure decisions, before a byte moves."""

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
    HrefError,
    LocalHrefError,
    StacAssetError,
    UnsafePathError,
)
from stac_asset.hrefs import absolute_href, is_local, local_path
from stac_asset.integrity import Multihash
from stac_asset.plan.file_names import asset_file_name, safe_name
from stac_asset.plan.provenance import is_local_owner
from stac_asset.plan.storage_extension import storage_of
from stac_asset.redact import redact_href
from stac_asset.types import Candidate, Failed, Storage, Transfer

logger = logging.getLogger(__name__)

Owner: TypeAlias = pystac.Item | pystac.Collection
"""What has assets."""


@dataclass(slots=True)
class Planner:
    """Plans one run, and remembers which file belongs to whom.

    Args:
        directory: The directory that no file may leave.
        config: The configuration.
    """

    directory: Path
    config: Config
    _taken: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)
    _top: int = 0
    _root: str = ""
    _owner: Owner | None = None
    _base: str | None = None
    _local: bool | None = None
    _real: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = Path(os.path.abspath(self.directory))
        self._root = str(self.directory)
        self._top = len(_folded(str(self.directory)))

    def document(self, owner: str, file_name: str, source: str | None = None) -> Path:
        """Returns the path of a document to write, and takes it.

        Args:
            owner: Whose document it is.
            file_name: Its name, relative to the directory.
            source: Where the owner was read from, if that is known. It is not replaced: what the
                new document leaves out would be lost.

        Raises:
            UnsafePathError: It would lie outside of the directory.
            DestinationError: It would replace the source.
            AssetOverwriteError: The file is somebody else's.
        """
        path = Path(os.path.normpath(self.directory / file_name))
        if self.directory not in path.parents or not _is_name(file_name):
            raise UnsafePathError(
                f"file_name {file_name!r} would lie outside of the directory {self.directory}"
            )
        if source is not None and is_local(source) and _is_file(source, path):
            raise DestinationError(
                f"{owner} was read from {path}, which its new document would replace: choose "
                "another directory or file_name"
            )
        self._take(str(path), f"the document of {owner}")
        return path

    def assets(self, owner: Owner, folder: str = "") -> Iterator[Transfer | Failed]:
        """Plans the assets of one object.

        Args:
            owner: The item or collection; it is not changed.
            folder: The folder of its files, relative to the directory.

        Yields:
            A transfer for each asset that is wanted, or a failure where none can be planned.

        Raises:
            AssetOverwriteError: Two assets of the run would share a file.
        """
        for key, asset in owner.assets.items():
            if self.wants(key):
                planned = self.asset(key, asset, owner, folder)
                if isinstance(planned, Transfer):
                    paths = {_folded(found.path): found.path for found in planned.candidates}
                    for path in paths.values():
                        self._take(path, f"asset '{key}' of {planned.owner}")
                yield planned

    def asset(
        self, key: str, asset: pystac.Asset, owner: Owner | None = None, folder: str = ""
    ) -> Transfer | Failed:
        """Plans one asset, without a look at the others.

        Args:
            key: Its key.
            asset: The asset; it is not changed.
            owner: Whose it is, if anybody's.
            folder: The folder of its file, relative to the directory.
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
        """Returns whether the configuration wants the asset of a key.

        Args:
            key: The asset's key.
        """
        if self.config.include:
            return key in self.config.include
        return key not in self.config.exclude

    def _candidates(
        self, key: str, asset: pystac.Asset, owner: Owner | None, folder: str
    ) -> list[Candidate]:
        """Returns where an asset can be had from: at least one place.

        Raises:
            StacAssetError: Why there is none.
        """
        base = self._base_of(owner)
        found: list[Candidate] = []
        first: StacAssetError | None = None
        for given, storage in _hrefs(asset, _said(owner), self.config.alternate_assets):
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
        """Returns an owner's own href, for which pystac goes through its links each time."""
        if owner is None or owner is not self._owner:
            self._owner, self._local = owner, None
            self._base = owner.get_self_href() if owner is not None else None
        return self._base

    def _check_local(self, href: str, owner: Owner | None) -> None:
        if not is_local(href):
            return
        allowed = self.config.allow_local_hrefs
        if allowed is None:
            if self._local is None:
                # An asset without an owner is one that the caller made.
                self._local = owner is None or is_local_owner(owner)
            allowed = self._local
        if not allowed:
            raise LocalHrefError(
                f"the href '{redact_href(href)}' names a local file, which an item that is not "
                "local itself must not: set allow_local_hrefs=True if you trust it"
            )

    def _place(self, folder: str) -> str:
        """Returns where a folder is: a symlink in the directory may make two names one place."""
        real = self._real.get(folder)
        if real is None:
            if len(folder) <= len(self._root):
                return folder
            parent, name = os.path.split(folder)
            real = os.path.join(self._place(parent), name)
            if os.path.islink(real):
                real, root = os.path.realpath(real), os.path.realpath(self._root)
                if real.startswith(root + os.sep):  # Else the fence refuses to write there.
                    real = self._root + real[len(root) :]
            self._real[folder] = real
        return real

    def _take(self, path: str, owner: str) -> None:
        """Notes whose a file is, and that the folders in which it lies cannot be files."""
        parent, _, name = path.rpartition(os.sep)
        place = self._place(parent)
        folded = _folded(path if place == parent else os.path.join(place, name))
        other = self._taken.get(folded) or self._folders.get(folded)
        folders: list[str] = []
        folder = os.path.dirname(folded)
        while other is None and len(folder) > self._top and folder not in self._folders:
            other = self._taken.get(folder)
            folders.append(folder)
            folder = os.path.dirname(folder)
        if other is not None:
            raise AssetOverwriteError([other, owner], path)
        self._folders.update(dict.fromkeys(folders, f"the folder of {owner}"))
        self._taken[folded] = owner


def owner_name(owner: Owner) -> str:
    """Returns what an object is called in errors and reports, e.g. `item 'S2B_31UFU'`.

    Args:
        owner: The item or collection.
    """
    return f"{'item' if isinstance(owner, pystac.Item) else 'collection'} '{owner.id}'"


def document_name(owner: Owner) -> str:
    """Returns the file name of an item's document, from its id.

    Args:
        owner: The item.
    """
    return safe_name(f"{owner.id}.json")


def _hrefs(
    asset: pystac.Asset, owner: Mapping[str, Any], preferred: list[str]
) -> Iterator[tuple[object, Storage | None]]:
    """Yields the hrefs of an asset, the preferred alternates first, and where each is stored."""
    fields = asset.extra_fields
    alternates = fields.get("alternate")
    for name in preferred:
        alternate = alternates.get(name) if isinstance(alternates, Mapping) else None
        if isinstance(alternate, Mapping):
            yield alternate.get("href"), storage_of(alternate, fields, owner)
    yield asset.href, storage_of(fields, fields, owner)


def _said(owner: Owner | None) -> Mapping[str, Any]:
    """Returns the fields in which an object says what holds for all of its assets."""
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


def _warn(key: str, owner: str, name: str, value: object, wanted: str) -> None:
    # Real catalogs put bare digests and ETags there; that is no reason to go without the asset.
    text = f"asset '{key}' of {owner}"
    text += f" can't be verified by its {name}: {reprlib.repr(value)} is no {wanted}"
    logger.warning("%s", text.encode(errors="backslashreplace").decode())


def _is_file(href: str, path: Path) -> bool:
    try:
        return path.samefile(local_path(href))
    except (OSError, HrefError):  # One of them is not there, or cannot be.
        return False


def _is_name(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _folded(path: str) -> str:
    """Returns a path as file systems see it that do not tell case or composition apart.

    Source: the canonical caseless matching of Unicode, 3.13 (D145).
    """
    if path.isascii():
        return path.lower()
    folded = unicodedata.normalize("NFD", path).casefold()
    return unicodedata.normalize("NFD", folded)
