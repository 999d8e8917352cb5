"""Makes new STAC objects that say where their assets are now: pure, the caller's stay as they are.

A rewritten object has the hrefs of the files that were downloaded, a `derived_from` link to its
source, and absolute hrefs in all that still points elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pystac

from stac_asset.config import Config
from stac_asset.errors import HrefError
from stac_asset.hrefs import absolute_href, is_absolute, relative_href
from stac_asset.redact import unsigned_href
from stac_asset.strategy import ErrorStrategy
from stac_asset.types import Downloaded, Failed, Outcome, Skipped

_FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"

_Owner = TypeVar("_Owner", pystac.Item, pystac.Collection)


def rewrite(
    owner: _Owner,
    outcomes: Iterable[Outcome],
    config: Config,
    document: Path | None = None,
    keep_non_downloaded: bool = False,
) -> _Owner:
    """Returns a new object for one whose assets were downloaded.

    Args:
        owner: The item or collection; it is not changed.
        outcomes: What became of its assets.
        config: Says what becomes of assets that failed, and whether checksums are written.
        document: The absolute path that the new object will have, if it is going to be saved.
            Asset hrefs are relative to it; without one they are absolute paths.
        keep_non_downloaded: Whether assets stay, with their source hrefs, that were not wanted.
    """
    base = owner.get_self_href()
    new: _Owner = _detached(owner, base)
    by_key = {_key(outcome): outcome for outcome in outcomes}
    for key, asset in list(new.assets.items()):
        outcome = by_key.get(key)
        failed = isinstance(outcome, Failed)
        if (outcome is None and not keep_non_downloaded) or (
            failed and config.error_strategy is ErrorStrategy.DELETE
        ):
            del new.assets[key]
        elif outcome is None or isinstance(outcome, Failed):
            _make_absolute(asset, base)
        else:
            path = Path(outcome.candidate.path)
            _make_absolute(asset, base)
            asset.href = relative_href(path, document) if document else str(path)
            if config.write_checksums:
                describe(asset, outcome)
                if not any("/file/v" in uri for uri in new.stac_extensions or ()):
                    new.stac_extensions = [*(new.stac_extensions or []), _FILE_EXTENSION]
    if base is not None:
        new.add_link(pystac.Link(rel=pystac.RelType.DERIVED_FROM, target=unsigned_href(base)))
    new.set_self_href(str(document) if document else None)
    return new


def rewrite_collection(
    items: pystac.ItemCollection, rewritten: Iterable[pystac.Item]
) -> pystac.ItemCollection:
    """Returns a new item collection of rewritten items.

    Args:
        items: The source, for its other fields.
        rewritten: Its items.
    """
    return pystac.ItemCollection(
        list(rewritten), extra_fields=dict(items.extra_fields), clone_items=False
    )


def document_of(stac: pystac.Item | pystac.Collection | pystac.ItemCollection) -> dict[str, Any]:
    """Returns a rewritten object as the JSON document to write.

    Args:
        stac: What `rewrite` or `rewrite_collection` returned.
    """
    if isinstance(stac, pystac.ItemCollection):
        return stac.to_dict(transform_hrefs=False)
    return stac.to_dict(include_self_link=True, transform_hrefs=False)


def _detached(owner: _Owner, base: str | None) -> _Owner:
    """Returns a copy whose links are plain, absolute hrefs, so that it drags no catalog along."""
    links = [link for link in owner.links if link.rel != pystac.RelType.SELF]
    new = owner.clone()
    new.clear_links()
    for link in links:
        # Not link.href, which fetches the root catalog to find out how to write it.
        try:
            href = absolute_href(link.get_target_str(), base)
        except HrefError:
            continue
        copied = pystac.Link(link.rel, href, link.media_type, link.title, dict(link.extra_fields))
        new.add_link(copied)
    return new


def _make_absolute(asset: pystac.Asset, base: str | None) -> None:
    with suppress(HrefError):  # Where there is nothing to resolve it against, it stays.
        asset.href = absolute_href(asset.href, base)
    alternates = asset.extra_fields.get("alternate")
    if not isinstance(alternates, Mapping):
        return
    for alternate in alternates.values():
        href = alternate.get("href") if isinstance(alternate, dict) else None
        if base is not None and isinstance(href, str) and not is_absolute(href):
            alternate["href"] = absolute_href(href, base)


def describe(asset: pystac.Asset, outcome: Downloaded | Skipped) -> None:
    """Writes `file:size` and `file:checksum` of what was downloaded to a rewritten asset.

    Args:
        asset: The asset, which is changed.
        outcome: What became of it.
    """
    asset.extra_fields["file:size"] = outcome.size
    if outcome.checksum is not None:
        asset.extra_fields["file:checksum"] = outcome.checksum
    elif isinstance(outcome, Downloaded):
        asset.extra_fields.pop("file:checksum", None)


def _key(outcome: Outcome) -> str:
    return outcome.key if isinstance(outcome, Failed) else outcome.transfer.key
