"""Internal: the hrefs of an asset, and the files that downloads from these hrefs get.

The planner calls `AssetHrefs`. Local hrefs of remote items are rejected here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pystac

from stac_asset.config import Config
from stac_asset.errors import LocalHrefError, StacAssetError
from stac_asset.hrefs import absolute_href, is_local
from stac_asset.plan.asset_fields import common_fields, hrefs_of
from stac_asset.plan.facts import FileSystemFacts
from stac_asset.plan.file_names import asset_file_name
from stac_asset.plan.owners import Owner
from stac_asset.redact import redact_href
from stac_asset.types import Candidate, Storage


class AssetHrefs:
    """The hrefs and files of assets.

    Args:
        root: The destination, an absolute path or URL.
        config: The configuration.
        facts: The facts about the destination.
    """

    def __init__(self, root: str, config: Config, facts: FileSystemFacts) -> None:
        self._root, self._config, self._facts = root, config, facts
        self._owner: Owner | None = None
        """The owner that `_base` and `_is_local` belong to."""
        self._base: str | None = None
        """The self href of `_owner`."""
        self._is_local: bool | None = None
        """Whether `_owner` is a document on this machine. None if not determined yet."""

    def given(self, asset: pystac.Asset, owner: Owner | None) -> Iterator[object]:
        """Yield the hrefs of an asset as the document has them, in order of preference.

        Args:
            asset: The asset.
            owner: The item or collection of the asset, if any.
        """
        return (href for href, _ in self._hrefs(asset, owner))

    def _hrefs(
        self, asset: pystac.Asset, owner: Owner | None
    ) -> Iterator[tuple[object, Storage | None]]:
        return hrefs_of(asset, common_fields(owner), self._config.alternate_assets)

    def candidates(
        self, key: str, asset: pystac.Asset, owner: Owner | None, folder: str
    ) -> tuple[Candidate, ...]:
        """Return the hrefs and files of an asset, in order of preference. The tuple is not empty.

        Args:
            key: The key of the asset.
            asset: The asset.
            owner: The item or collection of the asset, if any.
            folder: The folder of the file, relative to the directory.

        Raises:
            StacAssetError: No href of the asset is usable. The error is that of the first href.
        """
        base = self._base_of(owner)
        found: list[Candidate] = []
        first: StacAssetError | None = None
        for given, storage in self._hrefs(asset, owner):
            try:
                href = absolute_href(given, base)
                self._check_local(href, owner)
                file_name = asset_file_name(key, href, self._config.file_name_strategy)
            except StacAssetError as error:
                first = first or error
            else:
                found.append(Candidate(href, os.path.join(self._root, folder, file_name), storage))
        if not found and first is not None:
            raise first
        return tuple(found)

    def unselected(
        self, key: str, asset: pystac.Asset, owner: Owner, folder: str
    ) -> tuple[Candidate, ...]:
        """Return the hrefs and files of an asset that is not selected, without further facts.

        Args:
            key: The key of the asset.
            asset: The asset.
            owner: The item or collection of the asset.
            folder: The folder of the file, relative to the directory.
        """
        base = self._base_of(owner)
        hrefs: Iterable[object] = [asset.href]
        if self._config.alternate_assets:
            hrefs = self.given(asset, owner)
        found = []
        for given in hrefs:
            with suppress(StacAssetError):
                href = absolute_href(given, base)
                name = asset_file_name(key, href, self._config.file_name_strategy)
                found.append(Candidate(href, os.path.join(self._root, folder, name)))
        return tuple(found)

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
        allowed = self._config.allow_local_hrefs
        if allowed is None:
            if self._is_local is None:
                # An asset without an owner was created by the caller, who is trusted.
                self._is_local = owner is None or self._facts.is_local_document(owner)
            allowed = self._is_local
        if not allowed:
            raise LocalHrefError(
                f"remote item references local file '{redact_href(href)}'. Set "
                "`allow_local_hrefs=True` if you trust the item."
            )
