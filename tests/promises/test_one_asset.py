"""One asset's trouble is its own: the others go on, and its error says whose it was."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    DownloadWarning,
    ErrorStrategy,
    download_collection,
    download_item,
    download_item_collection,
    errors,
)
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import (
    ChecksumError,
    HrefError,
    NotFoundError,
    ResponseError,
    SchemeError,
    StacAssetError,
)
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Status
from stac_asset.transfer.engine import Engine
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, Transfer, outcome_row
from tests.make_collection import collection_document
from tests.make_item import item_document


def item_with(origin: Origin, asset: object, *others: str) -> pystac.Item:
    """Returns an item with an asset `bad` between good ones, as it is read over HTTP."""
    document = item_document(origin, "one", "bad", "two", *others)
    document["assets"]["bad"] = asset
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    return item


TROUBLE: dict[str, tuple[object, type[StacAssetError]]] = {
    "empty href": ({"href": ""}, HrefError),
    "blank href": ({"href": " \n"}, HrefError),
    "no href": ({"title": "nothing"}, HrefError),
    "null href": ({"href": None}, HrefError),
    "number for href": ({"href": 5}, HrefError),
    "list for href": ({"href": ["https://host/a.tif"]}, HrefError),
    "object for href": ({"href": {"href": "https://host/a.tif"}}, HrefError),
    "null": (None, HrefError),
    "text": ("https://host/a.tif", HrefError),
    "number": (5, HrefError),
    "list": ([], HrefError),
    "no host": ({"href": "https:///a.tif"}, HrefError),
    "bad host": ({"href": "https://[host/a.tif"}, HrefError),
    "bad port": ({"href": "https://host:99999/a.tif"}, HrefError),
    "half a surrogate pair": ({"href": "https://host/\ud800.tif"}, HrefError),
    "unknown scheme": ({"href": "gopher://host/a.tif"}, SchemeError),
    "scheme of another tool": ({"href": "abfs://container/a.zarr"}, SchemeError),
    "data": ({"href": "data:image/png;base64,AAAA"}, SchemeError),
    "nothing there": ({"href": "./missing.tif"}, NotFoundError),
}
trouble = pytest.mark.parametrize(("asset", "kind"), TROUBLE.values(), ids=TROUBLE)


@trouble
@pytest.mark.parametrize("strategy", ErrorStrategy)
async def test_others_go_on(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    asset: object,
    kind: type[StacAssetError],
    strategy: ErrorStrategy,
) -> None:
    origin.remove("/missing.tif")
    config.error_strategy = strategy
    item = item_with(origin, asset)
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path, config=config)
    (error,) = caught.value.exceptions
    assert isinstance(error, kind)
    assert (error.owner, error.key) == ("item 'the-item'", "bad")
    assert "asset 'bad' of item 'the-item': " in str(error)
    assert str(error) in str(caught.value)
    str(caught.value).encode()
    for key in ("one", "two"):
        assert (tmp_path / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")
    assets = json.loads((tmp_path / "the-item.json").read_bytes())["assets"]
    kept = ["bad"] if strategy is ErrorStrategy.KEEP else []
    assert sorted(assets) == sorted(["one", "two", *kept])
    if kept and isinstance(asset, dict) and isinstance(asset.get("href"), str):
        source = asset["href"].replace("./", origin.href("/"))
        assert assets["bad"]["href"] == source
    pickle.loads(pickle.dumps(caught.value))


@trouble
async def test_fail_fast_raises_that_error(
    origin: Origin, tmp_path: Path, config: Config, asset: object, kind: type[StacAssetError]
) -> None:
    origin.remove("/missing.tif")
    config.fail_fast = True
    with pytest.raises(kind, match="asset 'bad' of item 'the-item': "):
        await download_item(item_with(origin, asset), tmp_path, config=config)
    assert not (tmp_path / "the-item.json").exists()


@trouble
async def test_warning_in_place_of_the_error(
    origin: Origin, tmp_path: Path, config: Config, asset: object, kind: type[StacAssetError]
) -> None:
    origin.remove("/missing.tif")
    config.warn = True
    with pytest.warns(DownloadWarning, match="asset 'bad' of item 'the-item': ") as caught:
        new = await download_item(item_with(origin, asset), tmp_path, config=config)
    assert len(caught) == 1
    assert sorted(new.assets) == ["one", "two"]


async def test_others_go_on_in_collections(origin: Origin, tmp_path: Path, config: Config) -> None:
    document = collection_document(origin, "one", "bad")
    document["assets"]["bad"] = {}
    collection = stac_of(document, origin.href("/collection.json"), "collection")
    assert isinstance(collection, pystac.Collection)
    with pytest.raises(DownloadError, match="asset 'bad' of collection 'the-collection': "):
        await download_collection(collection, tmp_path, config=config)
    assert (tmp_path / "one.png").is_file()
    items = [item_document(origin, "one", name=name) for name in ("a", "b", "c")]
    items[1]["assets"]["bad"] = None
    source = stac_of({"type": "FeatureCollection", "features": items}, None, "items")
    assert isinstance(source, pystac.ItemCollection)
    with pytest.raises(DownloadError, match="1 of 4 assets failed\n- asset 'bad' of item 'b': "):
        await download_item_collection(source, tmp_path, config=config)
    assert len(list(tmp_path.glob("*/one.tif"))) == 3
    written = json.loads((tmp_path / "item-collection.json").read_bytes())
    assert [sorted(item["assets"]) for item in written["features"]] == [["one"]] * 3


async def test_caller_who_takes_the_href_away(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.error_strategy = ErrorStrategy.KEEP
    item = item_with(origin, {"href": "./bad.tif", "title": "kept"})
    item.assets["bad"].href = None  # type: ignore[assignment]
    with pytest.raises(DownloadError, match="href is missing"):
        await download_item(item, tmp_path, config=config)
    assert json.loads((tmp_path / "the-item.json").read_bytes())["assets"]["bad"] == {
        "href": "",
        "title": "kept",
    }
    assert item.assets["bad"].href is None


LINKS: list[Any] = [
    {"rel": "about", "href": ""},
    {"rel": "about", "href": None},
    {"rel": "about", "href": 5},
    {"rel": "about"},
    {"href": "https://host/"},
    {"rel": 5, "href": "https://host/"},
    "https://host/",
    None,
]


@pytest.mark.parametrize("link", LINKS, ids=str)
async def test_link_without_an_end_is_left_out(
    origin: Origin, tmp_path: Path, config: Config, link: Any
) -> None:
    good = {"rel": "license", "href": "./license.txt"}
    document = item_document(origin, "a") | {"links": [link, good]}
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    new = await download_item(item, tmp_path, config=config)
    assert [found.rel for found in new.links] == ["license", "derived_from", "self"]
    assert new.links[0].get_href() == origin.href("/license.txt")


@pytest.mark.parametrize("href", ["", 5])
async def test_link_without_an_end_on_a_callers_item(
    origin: Origin, tmp_path: Path, config: Config, href: Any
) -> None:
    item = pystac.Item.from_dict(item_document(origin, "a"))
    item.add_link(pystac.Link("about", href))
    new = await download_item(item, tmp_path, config=config)
    assert [found.rel for found in new.links] == ["self"]


ALTERNATES: list[Any] = [
    None,
    5,
    "https://host/a.tif",
    [],
    ["mirror"],
    {},
    {"mirror": None},
    {"mirror": 5},
    {"mirror": "https://host/a.tif"},
    {"mirror": []},
    {"mirror": {}},
    {"mirror": {"href": None}},
    {"mirror": {"href": 5}},
    {"mirror": {"href": ""}},
    {"mirror": {"href": "gopher://host/bad.tif"}},
    {"mirror": {"href": "https://[host/bad.tif"}},
    {"mirror": {"href": "file:///etc/passwd"}},
    {"mirror": {"href": "./missing/bad.tif"}},
    {"href": "s3://bucket/bad.tif", "title": "bare"},
    {"mirror": {"href": "./mirror/bad.tif", "storage:refs": 5, "alternate:name": 5}},
]


@pytest.mark.parametrize("alternate", ALTERNATES, ids=str)
async def test_alternate_of_the_wrong_shape_is_passed_over(
    origin: Origin, tmp_path: Path, config: Config, alternate: Any
) -> None:
    origin.remove("/missing/bad.tif")
    config.alternate_assets = ["mirror", "href"]
    item = item_with(origin, {"href": "./bad.tif", "alternate": alternate})
    await download_item(item, tmp_path, config=config)
    sources = [origin.content(path) for path in ("/bad.tif", "/mirror/bad.tif")]
    assert (tmp_path / "bad.tif").read_bytes() in sources


@pytest.mark.parametrize("asset", [{"href": ""}, {}, {"href": "gopher://host/bad.tif"}], ids=str)
async def test_alternate_serves_where_the_href_does_not(
    origin: Origin, tmp_path: Path, config: Config, asset: dict[str, Any]
) -> None:
    config.alternate_assets = ["mirror"]
    asset = asset | {"alternate": {"mirror": {"href": "./mirror/bad.tif"}}}
    await download_item(item_with(origin, asset), tmp_path, config=config)
    assert (tmp_path / "bad.tif").read_bytes() == origin.content("/mirror/bad.tif")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": 5},
        {"type": ["image/tiff"]},
        {"type": {}},
        {"type": ""},
        {"roles": 5, "title": ["x"], "description": {}},
        {"storage:refs": {"a": 1}, "storage:region": 5, "storage:requester_pays": "yes"},
        {"auth:refs": 5, "proj:epsg": {"deep": [[[]]]}, "": None},
        {"file:size": None, "file:checksum": None},
    ],
    ids=str,
)
async def test_fields_of_the_wrong_type_are_not_our_business(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    fields: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    new = await download_item(
        item_with(origin, {"href": "./bad.tif", **fields}), tmp_path, config=config
    )
    assert (tmp_path / "bad.tif").read_bytes() == origin.content("/bad.tif")
    written = new.assets["bad"].to_dict()
    assert all(written[name] == value for name, value in fields.items() if value is not None)
    assert caplog.records == []


def hashed(name: str, *, of: bytes, code: str, cut: int | None = None) -> str:
    digest = hashlib.new(name, of).digest()[:cut]
    return f"{code}{len(digest):02x}{digest.hex()}"


BARE = [hashlib.new(name, b"x").hexdigest() for name in ("md5", "sha1", "sha256", "sha512")]
UNVERIFIABLE: list[tuple[str, object]] = [
    *(("file:checksum", digest) for digest in BARE),
    ("file:checksum", "120e" + "5" * 28),  # an MD5 that begins like a multihash
    ("file:checksum", "131e" + "5" * 60),  # a SHA2-256 that does
    ("file:checksum", '"33a64df551425fcc55e4d42a148795d9f25f89d4"'),
    ("file:checksum", "33a64df551425fcc-5"),
    ("file:checksum", 'W/"abc"'),
    ("file:checksum", ""),
    ("file:checksum", "1220"),
    ("file:checksum", "1220" + "5" * 62),
    ("file:checksum", "1220" + "5" * 66),
    ("file:checksum", "1228" + "5" * 80),  # longer than SHA2-256 is
    ("file:checksum", "120255"),
    ("file:checksum", "7f20" + "5" * 64),  # no algorithm
    ("file:checksum", "ffffffffffffffffffff20" + "5" * 64),
    ("file:checksum", "sha256:" + "5" * 64),
    ("file:checksum", "5" * 100_000),
    ("file:checksum", 5),
    ("file:checksum", ["1220" + "5" * 64]),
    ("file:checksum", {"sha256": "5" * 64}),
    ("file:checksum", True),
    ("file:size", "123"),
    ("file:size", 1.5),
    ("file:size", -1),
    ("file:size", True),
    ("file:size", [123]),
    ("file:size", {}),
    ("file:size", float("inf")),
]


@pytest.mark.parametrize(("field", "value"), UNVERIFIABLE, ids=lambda value: str(value)[:30])
async def test_what_cannot_be_verified_is_downloaded_with_a_warning(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    field: str,
    value: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    item = item_with(origin, {"href": "./bad.tif", field: value})
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "bad.tif").read_bytes() == origin.content("/bad.tif")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name.startswith("stac_asset")
    text = record.getMessage()
    assert text.startswith(f"asset 'bad' of item 'the-item' can't be verified by its {field}: ")
    assert len(text) < 300


@pytest.mark.parametrize("case", ["lower", "upper"])
@pytest.mark.parametrize(("code", "name", "cut"), [("12", "sha256", None), ("12", "sha256", 20)])
async def test_cut_and_uppercase_digests_are_verified(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    case: str,
    code: str,
    name: str,
    cut: int | None,
) -> None:
    right = hashed(name, of=origin.content("/bad.tif"), code=code, cut=cut)
    wrong = hashed(name, of=b"something else", code=code, cut=cut)
    right, wrong = (text.upper() if case == "upper" else text for text in (right, wrong))
    item = item_with(origin, {"href": "./bad.tif", "file:checksum": right})
    await download_item(item, tmp_path / "right", config=config)
    item = item_with(origin, {"href": "./bad.tif", "file:checksum": wrong})
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path / "wrong", config=config)
    assert [type(error) for error in caught.value.exceptions] == [ChecksumError]
    assert caplog.records == []


async def test_error_of_a_run_carries_every_failure(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    keys = [f"k{number:02}" for number in range(17)]
    document = item_document(origin, *keys)
    for key in keys[:12]:
        origin.fault(f"/{key}.tif", Status(403), times=0)
    for key in keys[12:15]:
        document["assets"][key] = {}
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path, config=config)
    error = caught.value
    failed = [str(getattr(one, "key", None)) for one in error.exceptions]
    assert sorted(failed) == keys[:15]
    first, *lines = str(error).splitlines()
    assert first == "15 of 17 assets failed"
    assert len(lines) == 11
    assert lines == [f"- {one}" for one in error.exceptions[:10]] + ["- and 5 more"]
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert [str(one) for one in again.exceptions] == [str(one) for one in error.exceptions]
    assert (again.total, len(again.exceptions)) == (17, 15)


ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, StacAssetError)
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "AssetOverwriteError": (["asset 'a' of item 'x'", "https://u:p@h/?sig=1"], "/data/a.tif"),
    "ContentTypeError": ("text/html", "image/tiff"),
    "ResponseError": (503, "Busy", "https://user:pass@host/a.tif?sig=1", 3.5, "come back"),
    "ResponseNotFoundError": (404, "Not Found", "https://host/a b.tif"),
    "ResponseForbiddenError": (403, "", "https://user:pa/ss@host/a.tif"),
    "DownloadError": ([HrefError("the href is empty"), ResponseError(500, "", "https://h/")],),
    "VerifyError": (["a.tif is missing"], 1, 3),
}


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.deepcopy])
def test_errors_pickle(kind: type[StacAssetError], owned: bool, way: Any) -> None:
    error = kind(*ARGUMENTS.get(kind.__name__, ("something went wrong",)))
    if owned:
        error.owner, error.key = "item 'the-item'", "B04"
    again = way(error)
    assert type(again) is kind
    assert str(again) == str(error)
    assert repr(again) == repr(error)
    assert (again.owner, again.key) == (error.owner, error.key)
    assert getattr(again, "transient", None) == getattr(error, "transient", None)
    assert getattr(again, "retry_after", None) == getattr(error, "retry_after", None)
    assert ("asset 'B04' of item 'the-item': " in str(again)) is owned


def test_text_of_an_error_is_text_whatever_the_key() -> None:
    error = HrefError("the href is empty")
    error.owner, error.key = "item 'a\udc80b'", "a\ud800b"
    assert str(error).encode() == rb"asset 'a\ud800b' of item 'a\udc80b': the href is empty"


async def outcomes_of(origin: Origin, directory: Path, config: Config) -> list[Outcome]:
    """Returns an outcome of each kind, from a real run."""
    origin.remove("/missing.tif")
    document = item_document(origin, "there", "new", "missing", "empty")
    document["assets"]["empty"]["href"] = ""
    document["assets"]["h\u00e9\ud800"] = {"href": origin.href("/h\u00e9.tif?sig=abc")}
    for asset in document["assets"].values():
        asset |= {"type": "image/tiff", "storage:region": "eu-central-1", "file:size": None}
    (directory / "there.tif").write_bytes(b"here")
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    planned = list(Planner(directory, config, LOCAL_FACTS).assets(item))
    assert pickle.loads(pickle.dumps(planned[0])) == planned[0]
    found: list[Outcome] = [entry for entry in planned if isinstance(entry, Failed)]
    async with Clients(config) as clients:
        engine = Engine(clients, config, LocalDestinations())
        wanted = [entry for entry in planned if isinstance(entry, Transfer)]
        found += [outcome async for outcome in engine.run(wanted)]
    return found


async def test_outcomes_pickle_and_their_rows_are_json(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.write_checksums = True
    outcomes = await outcomes_of(origin, tmp_path, config)
    kinds = [type(outcome) for outcome in outcomes]
    assert sorted(kinds, key=str) == [Downloaded, Downloaded, Failed, Failed, Skipped]
    for outcome in outcomes:
        again = pickle.loads(pickle.dumps(outcome))
        if isinstance(outcome, Failed):
            assert str(again.error) == str(outcome.error)
            assert again.transfer == outcome.transfer
        else:
            assert again == outcome
        row = outcome_row(outcome)
        assert outcome_row(again) == row
        assert json.loads(json.dumps(row)) == row
        assert row["owner"] == "item 'the-item'"
        assert "sig=" not in json.dumps(row)
