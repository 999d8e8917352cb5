"""Published STAC documents are planned and rewritten as valid STAC."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac.validation import JsonSchemaSTACValidator

from stac_asset import Config, ErrorStrategy, download_collection, download_item
from stac_asset.api.run import Run
from stac_asset.errors import NotFoundError
from stac_asset.rewrite.rewriter import rewrite, rewrite_collection
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import Stac, load_stac, stac_of
from stac_asset.types import Downloaded, Failed, Outcome, Transfer
from tests.support.planning import owners_of, plan

OBJECT_TYPES = {
    "Feature": pystac.STACObjectType.ITEM,
    "Collection": pystac.STACObjectType.COLLECTION,
}

REMOTE_HREF = "https://example.com/stac/document.json"

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

INVALID = {"sample_id"}
"""Items that are not valid STAC: this item has a collection, but no link to the collection."""


@pytest.fixture(params=DOCUMENTS)
def path(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    """The path of each document."""
    return shared_data / str(request.param)


def _document_name(stac: Stac) -> str | None:
    """Return the default file name of the written document."""
    if isinstance(stac, pystac.ItemCollection):
        return "item-collection.json"
    return "collection.json" if isinstance(stac, pystac.Collection) else None


def rewritten(run: Run, stac: Stac, outcomes: list[list[Outcome]], document: Path | None) -> Stac:
    if isinstance(stac, pystac.ItemCollection):
        items = zip(stac, outcomes, strict=True)
        return rewrite_collection(stac, [rewrite(item, found, run.config) for item, found in items])
    return rewrite(stac, outcomes[0], run.config, document)


def outcome_of(entry: Transfer | Failed, number: int) -> Outcome:
    if isinstance(entry, Failed) or number % 4 == 3:
        return Failed(entry.owner, entry.key, NotFoundError("gone"))
    checksum = "1220" + "5" * 64
    return Downloaded(entry, entry.candidates[0], 3, 3, 0.1, checksum=checksum)


def check_valid(document: dict[str, Any]) -> None:
    """Check a document against the core schemas, which are included in pystac."""
    validator = JsonSchemaSTACValidator()
    for part in document.get("features", [document]):
        if part["id"] not in INVALID:
            validator.validate_core(part, OBJECT_TYPES[part["type"]], part["stac_version"])


def check_rewrite(source: Any, directory: Path, config: Config) -> None:
    """Plan and rewrite a document, and check the result."""
    unchanged = copy.deepcopy(source)
    stac = stac_of(source, REMOTE_HREF, "document")
    run = Run(directory, config)
    work = plan(run, stac, _document_name(stac))
    assert all(isinstance(entry, Transfer) for entry in work)
    outcomes = [
        [outcome_of(entry, number) for number, entry in enumerate(planned)]
        for planned in work.planned
    ]
    document = document_of(rewritten(run, stac, outcomes, work.document))
    check_valid(document)
    assert json.loads(json_bytes(document)) == document
    assert source == unchanged
    check_unchanged_fields(document, source, outcomes, config.error_strategy, directory)
    parsed = stac_of(document, str(work.document), "parsed")
    assert [owner.id for owner in owners_of(parsed)] == [owner.id for owner in owners_of(stac)]


@pytest.mark.parametrize("strategy", ErrorStrategy)
@pytest.mark.parametrize("checksums", [False, True])
def test_document_is_rewritten_as_valid_stac(
    path: Path,
    tmp_path: Path,
    strategy: ErrorStrategy,
    checksums: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = Config(error_strategy=strategy, write_checksums=checksums)
    check_rewrite(json.loads(path.read_bytes()), tmp_path, config)
    assert caplog.records == []


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_items_are_rewritten_as_valid_stac(
    shared_data: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = list(read_items(shared_data / name, name))
    assert len(found) == int(name.split("-")[-2])
    config = Config(write_checksums=True)
    check_rewrite({"type": "FeatureCollection", "features": found[::10]}, tmp_path, config)
    assert caplog.records == []


def test_all_shared_documents_are_covered(shared_data: Path) -> None:
    present = {path.name for path in shared_data.iterdir() if path.suffix in (".json", ".parquet")}
    assert present == {*DOCUMENTS, *PARQUET}


def check_unchanged_fields(
    document: dict[str, Any],
    source: dict[str, Any],
    outcomes: list[list[Outcome]],
    strategy: ErrorStrategy,
    directory: Path,
) -> None:
    """Check that only hrefs, links and checksums differ from the source."""
    pairs = zip(document.get("features", [document]), source.get("features", [source]), strict=True)
    for (new, old), found in zip(pairs, outcomes, strict=True):
        present = [outcome.transfer.key for outcome in found if not isinstance(outcome, Failed)]
        failed = [outcome.key for outcome in found if isinstance(outcome, Failed)]
        kept = failed if strategy is ErrorStrategy.KEEP else []
        assert set(new["assets"]) == {*present, *kept}
        for key, asset in new["assets"].items():
            assert asset["href"] != ""
            assert ("://" in asset["href"]) is (key in kept)
            assert without(asset, "href", "alternate", "file:size", "file:checksum") == without(
                old["assets"][key], "href", "alternate", "file:size", "file:checksum"
            )
        changeable = ("assets", "links", "stac_version", "stac_extensions", "properties", "bbox")
        assert without(new, *changeable) == without(old, *changeable)
        assert set(old.get("stac_extensions", [])) <= set(new.get("stac_extensions", []))
        assert without(new.get("properties", {}), "datetime") == without(
            old.get("properties", {}), "datetime"
        )
        rels = [link["rel"] for link in new["links"]]
        assert rels.count("derived_from") == 1
        assert all("://" in link["href"] for link in new["links"] if link["rel"] != "self")
        assert str(directory) in str(new)


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def test_local_document_is_planned_with_local_or_absolute_hrefs(path: Path, tmp_path: Path) -> None:
    stac = load_stac(path)
    work = plan(Run(tmp_path), stac, _document_name(stac))
    for entry in work:
        assert isinstance(entry, Transfer)
        assert "://" in entry.href or Path(entry.href).is_relative_to(path.parent)


def test_configured_alternates_are_planned_first(shared_data: Path, tmp_path: Path) -> None:
    item = load_stac(shared_data / "landsat-alternate-item.json")
    assert isinstance(item, pystac.Item)
    work = Run(tmp_path, Config(alternate_assets=["s3"])).planner.plan_item(item)
    planned = [entry for entry in work if isinstance(entry, Transfer)]
    first = [entry.candidates[0] for entry in planned if len(entry.candidates) == 2]
    assert len(first) > 10
    assert all(candidate.href.startswith("s3://") for candidate in first)
    assert all(candidate.storage and candidate.storage.requester_pays for candidate in first)


async def test_image_next_to_document_is_downloaded(
    shared_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    image = (shared_data / "20201211_223832_CS2.jpg").read_bytes()
    item = load_stac(shared_data / "simple-item-with-image.json")
    collection = load_stac(shared_data / "collection-with-image.json")
    assert isinstance(item, pystac.Item)
    assert isinstance(collection, pystac.Collection)
    new_item = await download_item(item, tmp_path / "item")
    new_collection = await download_collection(collection, tmp_path / "collection")
    for new in (new_item, new_collection):
        (asset,) = new.assets.values()
        assert Path(asset.get_absolute_href() or "").read_bytes() == image
        check_valid(new.to_dict(transform_hrefs=False))
    assert caplog.records == []
