"""Assets of collections: key, properties, source and newest item."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
import pytest
from prefect.assets import Asset

from prefect_stac_asset.flows.reporting.collection_lineage import CollectionLineage
from prefect_stac_asset.flows.reporting.lineage import MATERIALIZED, REFERENCED, lineage
from stac_asset.types import Candidate, Downloaded, Failed, Outcome, Skipped, Transfer

COLLECTION = "https://example.com/collections/a"


def item(name: str, time: str | None = "2026-01-01T00:00:00Z", **properties: Any) -> pystac.Item:
    """An item of the collection `a`, with links to the collection and to a web page."""
    links = [
        {"rel": "self", "href": f"https://user:secret@example.com/items/{name}?sig=secret"},
        {"rel": "collection", "href": f"{COLLECTION}?sig=secret"},
    ]
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "a",
        "geometry": None,
        "properties": {"datetime": time, **properties},
        "links": links,
        "assets": {},
    }
    return pystac.Item.from_dict(document)


def transfer(directory: str = "/data") -> Transfer:
    candidate = Candidate("https://example.com/b.tif", f"{directory}/b.tif")
    return Transfer("item 'i'", "b", (candidate,), directory)


def downloaded(size: int = 7) -> Downloaded:
    return Downloaded(transfer(), transfer().candidates[0], size, size, 0.1)


def events_of(*added: tuple[pystac.Item, list[Outcome]], owners: list[str] | None = None) -> Any:
    collections = CollectionLineage(owners or [])
    for source, outcomes in added:
        collections.add(source, outcomes)
    return list(collections.events("/data"))


def test_collection_has_the_newest_item_of_the_run() -> None:
    times = {
        "old": item("old", "2025-01-01T00:00:00Z"),
        "newest": item("newest", "2026-03-01T01:00:00+02:00"),
        "middle": item("middle", "2026-02-28T22:00:00Z"),
    }
    added = [(one, [downloaded(3), downloaded(4)]) for one in times.values()]
    source, collection = events_of(*added)
    assert collection[0] == MATERIALIZED
    assert collection[3] == {
        "collection": "a",
        "items": 3,
        "bytes": 21,
        "newest": "2026-02-28T23:00:00Z",
        "newest_item": "newest",
    }
    assert source[0] == REFERENCED


def test_collection_has_name_description_owner_and_url() -> None:
    source, collection = events_of((item("i"), [downloaded()]), owners=["team", "person"])
    assert collection[1] == {
        "prefect.resource.id": "file:///data/a",
        "prefect.resource.name": "a",
        "prefect.asset.description": "Downloaded items of the STAC collection a. "
        "Newest item: 2026-01-01T00:00:00Z.",
        "prefect.asset.url": COLLECTION,
        "prefect.asset.owners": json.dumps(["team", "person"]),
    }
    assert source[1]["prefect.resource.id"] == COLLECTION
    assert [one["prefect.resource.role"] for one in collection[2]] == [
        "asset",
        "asset-materialized-by",
    ]


def test_items_that_failed_or_existed_are_not_counted() -> None:
    failed = Failed("item 'i'", "b", ConnectionResetError("reset"))
    skipped = Skipped(transfer(), transfer().candidates[0], 7)
    assert events_of((item("i"), [downloaded(), failed]), (item("j"), [skipped])) == []


def test_item_without_collection_belongs_to_items() -> None:
    alone = item("i")
    alone.collection_id = None
    alone.remove_links("collection")
    (collection,) = events_of((alone, [downloaded()]))
    assert collection[1]["prefect.resource.id"] == "file:///data/items"
    assert collection[3]["collection"] is None
    assert "prefect.asset.owners" not in collection[1]


@pytest.mark.parametrize("end", ["not a time", 7, None, "2026-99-99T00:00:00Z"])
def test_invalid_end_of_time_range_is_ignored(end: object) -> None:
    *_, collection = events_of((item("i", end_datetime=end), [downloaded()]))
    assert collection[3]["newest"] == "2026-01-01T00:00:00Z"


def test_end_of_time_range_counts() -> None:
    source = item("i", start_datetime="2026-01-01T00:00:00Z", end_datetime="2026-02-01T00:00:00Z")
    *_, collection = events_of((source, [downloaded()]))
    assert collection[3]["newest"] == "2026-02-01T00:00:00Z"


@pytest.mark.parametrize("name", ["a b", "../up", "a?b#c", "ä" * 600, "a/b"])
def test_keys_are_valid_for_any_collection_id(name: str) -> None:
    source = item("i")
    source.collection_id = name
    *_, collection = events_of((source, [downloaded()]))
    Asset(key=collection[1]["prefect.resource.id"])


def test_item_has_description_url_and_the_providers_as_owners() -> None:
    source = item("i", providers=[{"name": "ESA"}, {"name": 7}, "text", {"name": "Copernicus"}])
    page = pystac.Link("alternate", "https://example.com/page?sig=secret", "text/html")
    source.add_link(page)
    referenced, materialized = lineage(source, [downloaded()], Path("/data/i.json"), ["team"])
    assert materialized[1]["prefect.asset.description"] == (
        "STAC item of a from 2026-01-01T00:00:00Z with 1 downloaded asset."
    )
    assert materialized[1]["prefect.asset.url"] == "https://example.com/page"
    assert json.loads(materialized[1]["prefect.asset.owners"]) == ["team"]
    assert json.loads(referenced[1]["prefect.asset.owners"]) == ["ESA", "Copernicus"]
    assert referenced[1]["prefect.asset.url"] == "https://example.com/page"


def test_no_secret_of_an_href_is_recorded() -> None:
    source = item("i")
    recorded = [*lineage(source, [downloaded()], None), *events_of((source, [downloaded()]))]
    assert "secret" not in repr(recorded)


@pytest.mark.parametrize("href", ["file:///data/c.json", "s3://bucket/c.json", "http://[bad"])
def test_link_that_is_no_web_url_gives_no_source(href: str) -> None:
    source = item("i")
    source.remove_links("collection")
    source.add_link(pystac.Link("collection", href))
    (collection,) = events_of((source, [downloaded()]))
    assert "prefect.asset.url" not in collection[1]


def test_time_without_zone_is_utc() -> None:
    source = item("i")
    source.datetime = datetime(2026, 1, 1)
    *_, collection = events_of((source, [downloaded()]))
    assert collection[3]["newest"] == "2026-01-01T00:00:00Z"
