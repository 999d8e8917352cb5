"""Real documents pass through plan and rewrite, and come out as valid STAC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac.validation import JsonSchemaSTACValidator

from stac_asset import Config, FileNameStrategy
from stac_asset.errors import LocalHrefError
from stac_asset.items import read_items
from stac_asset.names import FolderTemplate
from stac_asset.plan import Planner
from stac_asset.rewrite import document_of, rewrite
from stac_asset.source import Stac, item_of, stac_of
from stac_asset.types import Downloaded, Failed, Outcome, Transfer

DOCUMENTS = [
    "alternate-assets-item.json",
    "collection-with-image.json",
    "file-extension-item.json",
    "landsat-alternate-item.json",
    "planetary-computer-collection.json",
    "planetary-computer-item.json",
    "sentinel-2-item-collection.json",
    "sentinel-2-l2a-collection.json",
    "sentinel-2-two-items.json",
    "simple-item-with-image.json",
    "stac-collection.json",
    "stac-core-item.json",
    "stac-extended-item.json",
]
PARQUET = ["landsat-100-items.parquet", "sentinel-2-1000-items.parquet"]
CONFIG = Config(
    file_name_strategy=FileNameStrategy.KEY,
    alternate_assets=["s3"],
    write_checksums=True,
)
INVALID = {"sample_id"}
"""Items that are no valid STAC themselves: this one has a collection, and no link to it."""

_TYPES = {
    pystac.Item: pystac.STACObjectType.ITEM,
    pystac.Collection: pystac.STACObjectType.COLLECTION,
}


def as_if_downloaded(transfer: Transfer) -> Downloaded:
    candidate = transfer.candidates[0]
    return Downloaded(transfer, candidate, 1234, 1234, 0.1, checksum="1220" + "ab" * 32)


def check(owner: pystac.Item | pystac.Collection, folder: Path) -> list[Failed]:
    """Plans and rewrites an object, and returns the assets of which nothing could be planned."""
    before = json.dumps(owner.to_dict(transform_hrefs=False))
    sub = FolderTemplate().folder(owner) if isinstance(owner, pystac.Item) else ""
    planned = list(Planner(folder, CONFIG).assets(owner, sub))
    assert {entry.key for entry in planned} == set(owner.assets)
    outcomes: list[Outcome] = [
        as_if_downloaded(entry) if isinstance(entry, Transfer) else entry for entry in planned
    ]
    document = folder / sub / "document.json"
    new: Any = rewrite(owner, outcomes, CONFIG, document)
    for outcome in outcomes:
        if isinstance(outcome, Downloaded):
            path = Path(outcome.candidate.path)
            assert folder in path.parents
            assert document.parent / new.assets[outcome.transfer.key].href == path
    written = json.loads(json.dumps(document_of(new)))
    if owner.id not in INVALID:
        kind = _TYPES[type(owner)]
        JsonSchemaSTACValidator().validate_core(written, kind, pystac.get_stac_version())
    assert json.dumps(owner.to_dict(transform_hrefs=False)) == before
    return [entry for entry in planned if isinstance(entry, Failed)]


def owners(stac: Stac) -> list[pystac.Item | pystac.Collection]:
    return list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document(shared_data: Path, tmp_path: Path, name: str) -> None:
    text = (shared_data / name).read_text()
    stac = stac_of(json.loads(text), f"https://example.com/{name}", name)
    for owner in owners(stac):
        failed = check(owner, tmp_path)
        # Nothing but the hrefs that name local files, which a remote document must not.
        assert all(isinstance(entry.error, LocalHrefError) for entry in failed)


@pytest.mark.parametrize("name", PARQUET)
def test_items_of_parquet(shared_data: Path, tmp_path: Path, name: str) -> None:
    found = [item_of(document, None) for document in read_items(shared_data / name, name)]
    assert len(found) == int(name.split("-")[-2])
    for item in found[::10]:
        assert check(item, tmp_path) == []


def test_every_document_is_here(shared_data: Path) -> None:
    there = {path.name for path in shared_data.iterdir() if path.suffix in (".json", ".parquet")}
    assert there == {*DOCUMENTS, *PARQUET}
