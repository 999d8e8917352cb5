"""Internal: plans of the objects of a run. No request is sent.

The public functions and the command line use `Run.planner`, before they download or show the plan.
"""

from __future__ import annotations

import os
from pathlib import Path

import pystac

from stac_asset.config import Config
from stac_asset.destinations.location import Location
from stac_asset.errors import ConfigError, DestinationError, NoAssetsError
from stac_asset.plan.file_names import FolderTemplate
from stac_asset.plan.owners import document_name, owner_name
from stac_asset.plan.planner import Planner
from stac_asset.plan.work import PlannedRun, config_error
from stac_asset.stac.item_collections import ReadItems, unique_items
from stac_asset.stac.local_facts import facts_of
from stac_asset.types import Failed


class RunPlanner:
    """Plans items, collections and item collections of a run, with distinct paths of all files.

    Args:
        location: The destination: a directory, or a prefix of an object store.
        config: The validated configuration.
    """

    directory: Location
    """The absolute location of the destination."""

    def __init__(self, location: Location, config: Config) -> None:
        self._planner: Planner[Location] = Planner(location, config, facts_of(location))
        self._config = config
        self.directory = self._planner.directory

    def is_used(self, path: str) -> bool:
        """Return whether a planned asset or document uses a path.

        Args:
            path: The path.
        """
        return self._planner.is_used(path)

    def plan_item(
        self, item: pystac.Item, file_name: str | None = None, infer_file_name: bool = True
    ) -> PlannedRun:
        """Plan the download of an item.

        Args:
            item: The item. The object is not modified.
            file_name: The name of the item document. Default: see `infer_file_name`.
            infer_file_name: If no `file_name` is given, derive the name from the item id. If False,
                no document is written.

        Raises:
            NoAssetsError: The item has no assets, or no asset matches `include`.
            DestinationError: The directory does not exist, or the document would replace the
                source.
        """
        if not item.assets:
            raise NoAssetsError(f"item '{item.id}' has no assets to download")
        if file_name is None and infer_file_name:
            file_name = document_name(item)
        return self._plan_owner(item, file_name)

    def plan_collection(self, collection: pystac.Collection, file_name: str | None) -> PlannedRun:
        """Plan the download of the assets of a collection.

        Args:
            collection: The collection. The object is not modified.
            file_name: The name of the collection document. If None, no document is written.

        Raises:
            NoAssetsError: No asset matches `include`.
            DestinationError: The directory does not exist, or the document would replace the
                source.
        """
        return self._plan_owner(collection, file_name)

    def plan_item_collection(
        self,
        items: pystac.ItemCollection,
        file_name: str | None,
        path_template: str | None,
        source: str | None = None,
    ) -> PlannedRun:
        """Plan the download of the items of an item collection.

        Args:
            items: The item collection. The object is not modified.
            file_name: The name of the item collection document. If None, no document is written.
            path_template: The folder of an item's files, relative to the directory. Default:
                `${id}`.
            source: The href that the item collection was read from, if known. The document must not
                replace this file. Item collections, unlike items, have no self href.

        Raises:
            ConfigError: The template is invalid, or does not fit any item.
            NoAssetsError: No asset of any item matches `include`.
            DestinationError: The directory does not exist, or the document would replace the
                source.
        """
        document = self._plan_document("the item collection", file_name, source)
        folders = FolderTemplate(path_template) if path_template is not None else FolderTemplate()
        unique = unique_items(items)
        assets = [list(self._planner.item_assets(item, folders)) for item in unique]
        self._planner.check_selection()
        self._check_directory()
        read = items.invalid if isinstance(items, ReadItems) else ()
        invalid = tuple(Failed(entry.name, "", entry.error) for entry in read)
        assets = [self._planner.settled(planned) for planned in assets]
        work = PlannedRun(assets, document, unique, invalid)
        misfit = config_error(work)
        if misfit is not None:
            raise misfit
        return work

    def _plan_owner(
        self, owner: pystac.Item | pystac.Collection, file_name: str | None
    ) -> PlannedRun:
        document = self._plan_document(owner_name(owner), file_name, owner.get_self_href())
        assets = list(self._planner.assets(owner))
        self._planner.check_selection()
        self._check_directory()
        return PlannedRun([assets], document)

    def _plan_document(
        self, owner: str, file_name: str | None, source: str | None
    ) -> Location | None:
        if not isinstance(file_name, str | None):
            raise ConfigError(
                f"`file_name` must be a string, not {type(file_name).__name__}. Use for example "
                "'item.json'."
            )
        return self._planner.document(owner, file_name, source) if file_name else None

    def _check_directory(self) -> None:
        if not isinstance(self.directory, Path) or self._config.make_directory:
            return
        if not os.path.isdir(self.directory):
            raise DestinationError(
                f"Directory '{self.directory}' does not exist. "
                "Create it or set `make_directory=True`."
            )
