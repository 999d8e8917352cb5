"""Plans which assets become which files, from which hrefs: pure decisions, before a byte moves."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pystac

from stac_asset.config import Config
from stac_asset.errors import (
    AssetOverwriteError,
    LocalHrefError,
    StacAssetError,
    UnsafePathError,
)
from stac_asset.hrefs import absolute_href, is_local
from stac_asset.names import asset_file_name, safe_name
from stac_asset.storage import storage_of
from stac_asset.types import Candidate, Failed, Storage, Transfer

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

    def __post_init__(self) -> None:
        self.directory = Path(os.path.abspath(self.directory))

    def document(self, owner: str, file_name: str) -> Path:
        """Returns the path of a document to write, and takes it.

        Args:
            owner: Whose document it is.
            file_name: Its name, relative to the directory.

        Raises:
            UnsafePathError: It would lie outside of the directory.
            AssetOverwriteError: The file is somebody else's.
        """
        path = Path(os.path.normpath(self.directory / file_name))
        if self.directory not in path.parents or "\0" in file_name:
            raise UnsafePathError(
                f"file_name {file_name!r} would lie outside of the directory {self.directory}"
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
            if self._wanted(key):
                planned = self.asset(key, asset, owner, folder)
                if isinstance(planned, Transfer):
                    paths = {_folded(found.path): found.path for found in planned.candidates}
                    for path in paths.values():
                        self._take(path, f"asset '{key}' of {owner_name(owner)}")
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
        said = _said(owner)
        base = owner.get_self_href() if owner is not None else None
        name = owner_name(owner) if owner is not None else ""
        fields = asset.extra_fields
        try:
            found = list(_hrefs(asset, said, base, self.config.alternate_assets))
            self._check_local(found, base, owner)
        except StacAssetError as error:
            error.owner, error.key = name, key
            return Failed(name, key, error)
        size, checksum = fields.get("file:size"), fields.get("file:checksum")
        return Transfer(
            owner=name,
            key=key,
            candidates=tuple(
                Candidate(href, str(self._path(key, href, folder)), storage)
                for href, storage in found
            ),
            directory=str(self.directory),
            owner_id=owner.id if owner is not None else None,
            content_type=asset.media_type if isinstance(asset.media_type, str) else None,
            size=size if type(size) is int and size >= 0 else None,
            checksum=checksum if isinstance(checksum, str) else None,
        )

    def _path(self, key: str, href: str, folder: str) -> Path:
        name = asset_file_name(key, href, self.config.file_name_strategy)
        return self.directory / folder / name

    def _wanted(self, key: str) -> bool:
        if self.config.include:
            return key in self.config.include
        return key not in self.config.exclude

    def _check_local(
        self, found: list[tuple[str, Storage | None]], base: str | None, owner: Owner | None
    ) -> None:
        allowed = self.config.allow_local_hrefs
        if allowed is None:
            # An asset without an owner is one that the caller made.
            allowed = owner is None or (base is not None and is_local(base))
        for href, _ in found:
            if is_local(href) and not allowed:
                raise LocalHrefError(
                    f"the href '{href}' names a local file, which an item that is not local "
                    "itself must not: set allow_local_hrefs=True if you trust it"
                )

    def _take(self, path: str, owner: str) -> None:
        other = self._taken.setdefault(_folded(path), owner)
        if other is not owner:
            raise AssetOverwriteError([other, owner], path)


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
    asset: pystac.Asset, owner: Mapping[str, Any], base: str | None, preferred: list[str]
) -> Iterator[tuple[str, Storage | None]]:
    """Yields the hrefs of an asset, the preferred alternates first, and where each is stored."""
    fields = asset.extra_fields
    alternates = fields.get("alternate")
    for name in preferred:
        alternate = alternates.get(name) if isinstance(alternates, Mapping) else None
        if isinstance(alternate, Mapping) and isinstance(alternate.get("href"), str):
            href = absolute_href(alternate["href"], base)
            yield href, storage_of(alternate, fields, owner)
    yield absolute_href(asset.href, base), storage_of(fields, fields, owner)


def _said(owner: Owner | None) -> Mapping[str, Any]:
    """Returns the fields in which an object says what holds for all of its assets."""
    if isinstance(owner, pystac.Item):
        return owner.properties
    return owner.extra_fields if owner is not None else {}


def _folded(path: str) -> str:
    """Returns a path as file systems see it that do not tell case or composition apart."""
    return unicodedata.normalize("NFC", path).casefold()
