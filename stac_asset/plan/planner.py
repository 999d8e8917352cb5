"""Plans the file and the candidate hrefs of each asset of a run.

`api`, `mirror`, `verify`, the command line and the flows plan here before any byte is transferred.
Planning performs no I/O: facts about the file system are passed in.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic

import pystac

from stac_asset.config import Config
from stac_asset.destinations.location import Place, absolute, inside
from stac_asset.errors import (
    AssetOverwriteError,
    ConfigError,
    DestinationError,
    StacAssetError,
    UnsafePathError,
)
from stac_asset.hrefs import is_missing
from stac_asset.notices import notice
from stac_asset.plan.asset_fields import checksum_of, roles_of, size_of
from stac_asset.plan.asset_hrefs import AssetHrefs
from stac_asset.plan.facts import FileSystemFacts
from stac_asset.plan.file_names import FolderTemplate, plain_name
from stac_asset.plan.owners import Owner, owner_name
from stac_asset.plan.reservations import Conflict, Reservations, Use, folded
from stac_asset.plan.selection import Selection
from stac_asset.plan.shared_files import assign_files, source_digest
from stac_asset.strategy import FileNameStrategy
from stac_asset.types import Failed, Transfer


@dataclass(slots=True)
class Planner(Generic[Place]):
    """Plans a run, and detects files that two assets or documents of the run would share.

    Within an item, assets with the same source share a file, and all other assets have distinct
    files. An asset fails if another item or document of the run uses its file.

    Args:
        directory: The destination: a directory or a prefix. All planned files are inside.
        config: The configuration.
        facts: The facts about the destination, such as `stac_asset.stac.local_facts.LOCAL_FACTS`.
    """

    directory: Place
    config: Config
    facts: FileSystemFacts
    selection: Selection = field(init=False)
    """The assets that `include` and `exclude` select."""
    _reservations: Reservations = field(init=False)
    _contested: set[str] = field(default_factory=set)
    """The paths of assets that failed because another asset has the path."""
    _root: str = ""
    _hrefs: AssetHrefs = field(init=False)

    def __post_init__(self) -> None:
        self.directory = absolute(self.directory)
        self._root = str(self.directory)
        self.selection = Selection(self.config)
        self._hrefs = AssetHrefs(self._root, self.config, self.facts)
        self._reservations = Reservations(self._root, self.facts)

    def document(self, owner: str, file_name: str, source: str | None = None) -> Place:
        """Return the location of a document to write, and reserve the location.

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
        path = inside(self.directory, file_name)
        if path is None:
            raise UnsafePathError(
                f"`file_name` {file_name!r} is invalid or outside of the directory "
                f"{self.directory}. Choose a name inside of the directory."
            )
        if source is not None and self.facts.is_same_file(source, str(path)):
            raise DestinationError(
                f"{owner} was read from {path}, and the new document would replace this file. "
                "Choose another `directory` or `file_name`."
            )
        use = Use(f"the document of {owner}")
        conflict = self._reservations.conflict(str(path))
        if conflict is not None:
            raise AssetOverwriteError([str(conflict), str(use)], conflict.path)
        self._reservations.reserve(str(path), use)
        return path

    def item_assets(
        self, item: pystac.Item, folders: FolderTemplate
    ) -> Iterator[Transfer | Failed]:
        """Plan the selected assets of an item of an item collection.

        Args:
            item: The item. It is not changed.
            folders: The template for the folder of the item. If the template does not fit the item,
                all assets of the item fail.

        Yields:
            As `assets`.
        """
        try:
            folder = folders.folder(item)
        except ConfigError as error:
            for key, _ in self.selected(item):
                yield _failed(owner_name(item), key, copy.copy(error))
        else:
            yield from self.assets(item, folder)

    def assets(self, owner: Owner, folder: str = "") -> Iterator[Transfer | Failed]:
        """Plan the selected assets of an item or collection.

        Args:
            owner: The item or collection. It is not changed.
            folder: The folder of the files, relative to the directory.

        Yields:
            A transfer for each selected asset, or a failure if the asset cannot be planned. Assets
            with the same source have one transfer. Assets without an href are left out.
        """
        planned = {
            key: self.asset(key, asset, owner, folder) for key, asset in self.selected(owner)
        }
        entries: Iterable[tuple[str, Transfer | Failed]] = planned.items()
        if len(planned) < len(owner.assets):
            entries = self._with_unselected(owner, planned, folder)
        transfers = {key: entry for key, entry in entries if isinstance(entry, Transfer)}
        assigned = {
            transfer.key: transfer
            for transfer in assign_files(
                transfers,
                planned.__contains__,
                self._reservations.is_document,
                self.config.file_name_strategy,
            )
        }
        for key, entry in planned.items():
            if isinstance(entry, Failed):
                yield entry
            elif key in assigned:
                yield from self._reserved(assigned[key])

    def selected(self, owner: Owner) -> Iterator[tuple[str, pystac.Asset]]:
        """Yield the selected assets of an item or collection that have an href.

        Args:
            owner: The item or collection. It is not changed.
        """
        self.selection.add(owner.assets)
        selects = self.selection.selects
        for key, asset in owner.assets.items():
            if not selects(key, asset):
                continue
            if is_missing(asset.href) and all(
                is_missing(href) for href in self._hrefs.given(asset, owner)
            ):
                example = f"asset '{key}' of {owner_name(owner)}"
                notice("Assets without an href are not downloaded", example)
                continue
            yield key, asset

    def check_selection(self) -> None:
        """Check that assets of the planned items match the patterns of `include` and `exclude`.

        Patterns that no asset matches are recorded as notices.

        Raises:
            NoAssetsError: `include` is set, and no asset of the planned items matches.
        """
        error = self.selection.report()
        if error is not None:
            raise error

    def settled(self, planned: Iterable[Transfer | Failed]) -> list[Transfer | Failed]:
        """Return planned assets, after all assets of the run are planned.

        If several assets have the same path, the first asset of the run gets the file. Another
        order can have given the file to another asset in an earlier run, so an existing file is
        replaced.

        Args:
            planned: Planned assets of an item.
        """
        return [
            dataclasses.replace(entry, overwrite=True)
            if self._contested
            and isinstance(entry, Transfer)
            and any(folded(found.path) in self._contested for found in entry.candidates)
            else entry
            for entry in planned
        ]

    def is_used(self, path: str) -> bool:
        """Return whether an asset or document of the run has a path.

        Args:
            path: The absolute path.
        """
        return self._reservations.use_of(path) is not None

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
            candidates = self._hrefs.candidates(key, asset, owner, folder)
        except StacAssetError as error:
            return _failed(name, key, error)
        return Transfer(
            owner=name,
            key=key,
            candidates=candidates,
            directory=self._root,
            owner_id=str(owner.id) if owner is not None else None,
            content_type=asset.media_type if isinstance(asset.media_type, str) else None,
            size=size_of(asset, key, name),
            checksum=checksum_of(asset, key, name),
            roles=roles_of(asset),
        )

    def _with_unselected(
        self, owner: Owner, planned: Mapping[str, Transfer | Failed], folder: str
    ) -> Iterator[tuple[str, Transfer | Failed]]:
        """Yield the planned assets, and the assets that are not selected, in the item's order.

        File names depend on all assets. Otherwise, a run with another selection could take the file
        of one asset for the file of another asset. Assets that are not selected are left out if all
        assets of the item have distinct names.
        """
        if self._has_distinct_names(owner, planned, folder):
            yield from planned.items()
            return
        for key, asset in owner.assets.items():
            if key in planned:
                yield key, planned[key]
            elif not self.selection.selects(key, asset):
                candidates = self._hrefs.unselected(key, asset, owner, folder)
                if candidates:
                    yield key, Transfer("", key, candidates, self._root)

    def _has_distinct_names(
        self, owner: Owner, planned: Mapping[str, Transfer | Failed], folder: str
    ) -> bool:
        """Return whether all assets have distinct names, as far as a fast check shows."""
        if self.config.file_name_strategy is FileNameStrategy.KEY or self.config.alternate_assets:
            return False
        prefix = os.path.join(self._root, folder, "")
        names: set[str] = set()
        for count, (key, asset) in enumerate(owner.assets.items(), 1):
            name = plain_name(asset.href)
            if name is None:
                return False
            names.add(name.lower())
            if len(names) < count or self._reservations.is_document(prefix + name):
                return False
            entry = planned.get(key)
            if isinstance(entry, Transfer) and len(entry.candidates) > 1:
                return False
        return True

    def _reserved(self, transfer: Transfer) -> Iterator[Transfer | Failed]:
        """Reserve the files of a transfer, and yield the transfer, or a failure for each asset."""
        source = source_digest(transfer)
        paths = dict.fromkeys(candidate.path for candidate in transfer.candidates)
        for path in paths:
            conflict = self._reservations.conflict(path, source)
            if conflict is not None:
                self._contested.add(folded(conflict.path))
                for key in (transfer.key, *transfer.shared_with):
                    yield _failed(transfer.owner, key, _overwrite_error(conflict, transfer, key))
                return
        for path in paths:
            self._reservations.reserve(path, Use(transfer.owner, transfer.key, source))
        yield transfer


def _failed(owner: str, key: str, error: StacAssetError) -> Failed:
    error.owner, error.key = owner, key
    return Failed(owner, key, error)


def _overwrite_error(conflict: Conflict, transfer: Transfer, key: str) -> AssetOverwriteError:
    asset = f"asset '{key}' of {transfer.owner}"
    if conflict.use.key is None:
        advice = "Choose another `file_name`, or exclude the asset."
    else:
        advice = (
            "Use a `path_template` that gives the items distinct folders, such as "
            "`${collection}/${id}`, or exclude the asset."
        )
    return AssetOverwriteError([str(conflict), asset], conflict.path, advice)
