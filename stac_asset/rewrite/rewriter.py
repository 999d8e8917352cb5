"""Makes new STAC objects that reference the downloaded files.

The functions perform no I/O, and the objects of the caller are not changed. A rewritten object has
the hrefs of the downloaded files, and a `derived_from` link to the source if its href is known.
Other hrefs become absolute. Links that cannot be resolved are removed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from types import MappingProxyType
from typing import Any, TypeVar

import pystac

from stac_asset.config import Config, selects
from stac_asset.destinations.location import Location
from stac_asset.errors import HrefError
from stac_asset.hrefs import (
    absolute_href,
    is_absolute,
    is_missing,
    relative_href,
    valid_href,
)
from stac_asset.redact import unsigned_href
from stac_asset.rewrite.serialize import bounded_depth
from stac_asset.strategy import ErrorStrategy
from stac_asset.types import Candidate, Downloaded, Failed, KeptFile, Outcome, Skipped, asset_key

_FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"

_COPIED_FIELDS = frozenset({"geometry", "properties", "extra_fields"})
"""Attributes of items and collections that pystac copies deeply, and that contain JSON objects."""

_IMMUTABLE = frozenset({str, int, float, bool, type(None)})

_Owner = TypeVar("_Owner", pystac.Item, pystac.Collection)


def rewrite(
    owner: _Owner,
    outcomes: Iterable[Outcome],
    config: Config,
    document: Location | None = None,
    keep_non_downloaded: bool = False,
    unselected: Mapping[str, KeptFile] = MappingProxyType({}),
) -> _Owner:
    """Return a new item or collection that references the downloaded files.

    Args:
        owner: The item or collection. It is not changed.
        outcomes: The outcomes of the object's assets.
        config: Whether failed assets are kept, whether checksums are written, and whether hrefs are
            absolute. Failed assets that still have the file of an earlier run are always kept.
        document: The absolute location where the new object will be saved, if any. Asset hrefs are
            relative to it by default. Without a document, asset hrefs are absolute.
        keep_non_downloaded: Keep assets that were not selected, with their source hrefs. Selected
            assets without an href are always kept, without an href.
        unselected: Files of an earlier run for assets that were not selected, by asset key.

    Raises:
        SourceError: The object is nested too deeply.
    """
    base = owner.get_self_href()
    relative_to = str(document) if document is not None and not config.absolute_hrefs else None
    with bounded_depth(f"'{owner.id}'"):
        new: _Owner = _detached(owner, base)
    by_key = {asset_key(outcome): outcome for outcome in outcomes}
    for key, asset in list(new.assets.items()):
        outcome = by_key.get(key)
        if outcome is None and key in unselected:
            new.add_asset(key, _kept_asset(asset, unselected[key], base, relative_to))
            continue
        failed = isinstance(outcome, Failed)
        if isinstance(outcome, Failed) and outcome.kept is not None:
            new.add_asset(key, _kept_asset(asset, outcome.kept, base, relative_to))
            if outcome.kept.asset is None and config.write_checksums:
                new.assets[key].extra_fields["file:size"] = outcome.kept.size
                _add_file_extension(new)
            continue
        is_kept = keep_non_downloaded or (is_missing(asset.href) and selects(config, key, asset))
        if (outcome is None and not is_kept) or (
            failed and config.error_strategy is ErrorStrategy.DELETE
        ):
            del new.assets[key]
        elif outcome is None or isinstance(outcome, Failed):
            _make_absolute(asset, base)
        else:
            _make_absolute(asset, base)
            asset.href = _file_href(outcome.candidate.path, relative_to)
            if config.write_checksums:
                describe(asset, outcome)
                _add_file_extension(new)
    if base is not None:
        new.add_link(
            pystac.Link(rel=pystac.RelType.DERIVED_FROM, target=valid_href(unsigned_href(base)))
        )
    if document is not None:
        link = pystac.Link(pystac.RelType.SELF, str(document), pystac.MediaType.JSON)
        link.target = str(document)  # The constructor replaces backslashes, as on Windows.
        new.add_link(link)
    return new


def rewrite_collection(
    items: pystac.ItemCollection, rewritten: Iterable[pystac.Item]
) -> pystac.ItemCollection:
    """Return a new item collection of rewritten items.

    Args:
        items: The source item collection, for its other fields.
        rewritten: The rewritten items.
    """
    return pystac.ItemCollection(
        list(rewritten), extra_fields=deepcopy(items.extra_fields), clone_items=False
    )


def make_files_relative(
    feature: dict[str, Any],
    outcomes: Iterable[Outcome],
    document: Location,
    unselected: Mapping[str, KeptFile] = MappingProxyType({}),
) -> None:
    """Replace the paths of downloaded files by hrefs relative to an item collection.

    Rewritten items without a document of their own have absolute paths. An item collection that is
    moved or served needs relative hrefs.

    Args:
        feature: The JSON document of a rewritten item. It is changed.
        outcomes: The outcomes of the item's assets.
        document: The absolute location of the item collection.
        unselected: Files of an earlier run for assets that were not selected, by asset key.
    """
    files: dict[str, Candidate | KeptFile | None] = dict(unselected)
    for outcome in outcomes:
        kept = outcome.kept if isinstance(outcome, Failed) else outcome.candidate
        files[asset_key(outcome)] = kept
    for key, file in files.items():
        asset = feature["assets"].get(key)
        if file is not None and asset is not None:
            asset["href"] = relative_href(file.path, str(document))


def _detached(owner: _Owner, base: str | None) -> _Owner:
    """Return a copy without a self link, whose other links have absolute hrefs as targets."""
    links = [link for link in owner.links if link.rel != pystac.RelType.SELF]
    new = _clone(owner)
    for link in links:
        # `link.href` would fetch the root catalog.
        try:
            href = valid_href(absolute_href(link.get_target_str(), base))
        except (HrefError, AttributeError):  # AttributeError: not an href, and not a STAC object.
            continue
        fields = deepcopy(link.extra_fields)
        new.add_link(pystac.Link(link.rel, href, link.media_type, link.title, fields))
    return new


def _clone(owner: _Owner) -> _Owner:
    """Return a copy without links.

    `clone` of pystac fails on links without a target, and fetches the parent of a collection. Its
    deep copies take ten times as long as `_copied`.
    """
    bare = owner.__class__.__new__(owner.__class__)
    vars(bare).update(vars(owner))
    bare.links, bare.assets = [], {}
    for name in _COPIED_FIELDS & vars(bare).keys():
        if type(fields := vars(bare)[name]) is dict:
            setattr(bare, name, _JsonObject(fields))
    clone: _Owner = bare.clone()
    clone.clear_links()
    for key, asset in owner.assets.items():
        clone.add_asset(key, _cloned_asset(asset))
    if isinstance(clone, pystac.Collection):
        clone.summaries.maxcount = sys.maxsize  # pystac omits longer lists when it writes.
    return clone


class _JsonObject(dict[str, Any]):
    """A JSON object that `deepcopy` copies fast, to a plain dictionary."""

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: _copied(value) for key, value in self.items()}


def _copied(value: Any) -> Any:
    """Return a deep copy of a JSON value, or of a value of any other type."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if kind is dict:
        return {key: _copied(entry) for key, entry in value.items()}
    if kind is list:
        return [_copied(entry) for entry in value]
    return deepcopy(value)


def _cloned_asset(asset: pystac.Asset) -> pystac.Asset:
    """Return a copy of an asset. An href that is not a text becomes empty."""
    if type(asset) is not pystac.Asset and isinstance(asset.href, str):
        return asset.clone()
    href = asset.href if isinstance(asset.href, str) else ""
    texts = (asset.title, asset.description, asset.media_type)
    return pystac.Asset(href, *texts, asset.roles, _copied(asset.extra_fields))


def _kept_asset(
    asset: pystac.Asset, kept: KeptFile, base: str | None, document: str | None
) -> pystac.Asset:
    """Return the asset of a file that an earlier run downloaded."""
    if kept.asset is not None:
        asset = pystac.Asset.from_dict(deepcopy(dict(kept.asset)))
    else:
        _make_absolute(asset, base)
    asset.href = _file_href(kept.path, document)
    return asset


def _file_href(path: str, document: str | None) -> str:
    return relative_href(path, document) if document is not None else path


def _make_absolute(asset: pystac.Asset, base: str | None) -> None:
    """Resolve the hrefs of an asset and its alternates, if possible."""
    if not is_missing(asset.href):
        with suppress(HrefError):  # Without a base, a relative href is kept.
            asset.href = valid_href(absolute_href(asset.href, base))
    alternates = asset.extra_fields.get("alternate")
    if not isinstance(alternates, Mapping):
        return
    for alternate in alternates.values():
        href = alternate.get("href") if isinstance(alternate, dict) else None
        if base is not None and isinstance(href, str) and not is_absolute(href):
            with suppress(HrefError):
                alternate["href"] = valid_href(absolute_href(href, base))


def describe(asset: pystac.Asset, outcome: Downloaded | Skipped) -> None:
    """Set `file:size` and `file:checksum` of a rewritten asset.

    The declared checksum of a downloaded file is removed if no checksum was computed.

    Args:
        asset: The asset. It is changed.
        outcome: The outcome of the download.
    """
    asset.extra_fields["file:size"] = outcome.size
    if outcome.checksum is not None:
        asset.extra_fields["file:checksum"] = outcome.checksum
    elif isinstance(outcome, Downloaded):
        asset.extra_fields.pop("file:checksum", None)


def _add_file_extension(owner: pystac.Item | pystac.Collection) -> None:
    known = owner.stac_extensions if isinstance(owner.stac_extensions, list) else []
    if not any("/file/v" in str(uri) for uri in known):
        owner.stac_extensions = [*known, _FILE_EXTENSION]
