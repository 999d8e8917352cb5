"""The verification of a directory against its own documents, and the plan of its repair."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config, download_item, download_item_collection
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import SourceError
from stac_asset.stac.parse import load_stac
from stac_asset.testing import Origin
from stac_asset.transfer.engine import Engine
from stac_asset.types import Downloaded, Outcome
from stac_asset.verify.check import check_all
from stac_asset.verify.inventory import Inventory, take_inventory
from stac_asset.verify.repair import Repair, Unrepairable, after_repair, plan_repairs, repair_config
from stac_asset.verify.results import (
    Bad,
    Corrupt,
    Missing,
    NotLocal,
    OutOfBounds,
    Summary,
    Unverifiable,
    Verdict,
    Verified,
)
from stac_asset.verify.run import Repairs, verify_files
from tests.make_item import item_document, make_item


@pytest.fixture
def config() -> Config:
    return Config(retry_wait=0.01, http_max_attempts=2, write_checksums=True)


async def downloaded(origin: Origin, directory: Path, config: Config, *keys: str) -> None:
    """Downloads an item of which the origin has the document."""
    href = make_item(origin, *keys)
    item = pystac.Item.from_dict(json.loads(origin.content("/item.json")))
    item.set_self_href(href)
    await download_item(item, directory, config=config)


async def verdicts(inventory: Inventory) -> dict[str, Verdict]:
    return {verdict.asset.key: verdict async for verdict in check_all(inventory)}


def plant(path: Path, assets: dict[str, Any], source: str | None = None, **fields: Any) -> None:
    """Writes an item that says what it likes."""
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "planted",
        "geometry": None,
        "properties": {"datetime": "2026-06-01T00:00:00Z"},
        "links": [{"rel": "derived_from", "href": source}] if source else [],
        "assets": assets,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document | fields))


async def repair(
    directory: Path, config: Config
) -> tuple[dict[str, Verdict], list[Repair | Unrepairable]]:
    """Repairs a directory, and returns what is found of what was bad, and what was planned."""
    inventory = take_inventory(directory)
    found = [one async for one in check_all(inventory)]
    bad: list[Bad] = [one for one in found if isinstance(one, Missing | Corrupt | OutOfBounds)]
    changed = repair_config(config)
    errors: dict[str, Exception] = {}
    async with Clients(changed) as clients:
        planned = [one async for one in plan_repairs(bad, inventory, clients, changed)]
        for one in planned:
            if isinstance(one, Unrepairable):
                errors[one.path] = one.error
            else:
                outcome = await Engine(clients, changed, LocalDestinations()).download(one.transfer)
                if not isinstance(outcome, Downloaded):
                    errors[one.transfer.path] = outcome.error  # type: ignore[union-attr]
    return {one.asset.key: after_repair(one, inventory, errors) for one in bad}, planned


async def test_what_was_downloaded_is_verified(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await downloaded(origin, tmp_path, config, "a", "b")
    inventory = take_inventory(tmp_path)
    assert inventory.documents == (tmp_path / "the-item.json",)
    found = await verdicts(inventory)
    assert {key: type(one) for key, one in found.items()} == {"a": Verified, "b": Verified}
    assert found["a"].size == len(origin.content("/a.tif"))  # type: ignore[union-attr]


async def test_bad_files_say_why(origin: Origin, config: Config, tmp_path: Path) -> None:
    await downloaded(origin, tmp_path, config, "a", "b", "c", "d")
    (tmp_path / "a.tif").unlink()
    with (tmp_path / "b.tif").open("r+b") as file:
        file.truncate(10)
    with (tmp_path / "c.tif").open("r+b") as file:
        file.write(bytes(byte ^ 255 for byte in file.read(4)))
        file.seek(0)
        file.write(b"ruin")
    (tmp_path / "d.tif").unlink()
    (tmp_path / "d.tif").mkdir()
    found = await verdicts(take_inventory(tmp_path))
    assert isinstance(found["a"], Missing)
    for key, words in {
        "b": "has 10 bytes, but",
        "c": "has the checksum",
        "d": "not a file",
    }.items():
        verdict = found[key]
        assert isinstance(verdict, Corrupt)
        assert words in verdict.reason
    summary = Summary()
    for verdict in found.values():
        summary.add(verdict)
    assert (summary.good, summary.bad) == (0, 4)
    message = str(summary.error)
    assert message.startswith("4 of 4 files are missing or wrong\n- asset '")
    assert "- asset 'a' of item 'the-item': the file is missing" in message


async def test_without_a_checksum_existence_and_size_are_all_there_is(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    config.write_checksums = False
    await downloaded(origin, tmp_path, config, "a", "b")
    (tmp_path / "b.tif").unlink()
    found = await verdicts(take_inventory(tmp_path))
    assert isinstance(found["a"], Unverifiable)
    assert isinstance(found["b"], Missing)


async def test_a_checksum_that_is_no_multihash_cannot_be_verified(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"abc")
    bare = "900150983cd24fb0d6963f7d28e17f72"
    fields: dict[str, Any] = {"href": "./a.tif", "file:checksum": bare}
    plant(tmp_path / "item.json", {"a": fields, "b": fields | {"file:size": 4}})
    found = await verdicts(take_inventory(tmp_path))
    assert isinstance(found["a"], Unverifiable)
    assert isinstance(found["b"], Corrupt)


async def test_item_collections_with_absolute_hrefs_in_folders(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = [
        pystac.Item.from_dict(item_document(origin, "a", name=name)) for name in ("one", "two")
    ]
    await download_item_collection(pystac.ItemCollection(items), tmp_path, config=config)
    inventory = take_inventory(tmp_path)
    assert inventory.documents == (tmp_path / "item-collection.json",)
    found = [verdict async for verdict in check_all(inventory)]
    assert [type(one) for one in found] == [Verified, Verified]


def test_leftovers_and_what_is_no_document(tmp_path: Path) -> None:
    plant(tmp_path / "item.json", {"a": {"href": "./a.tif"}})
    for name in (".a.tif.part", ".a.tif.part.json"):
        (tmp_path / name).write_text("{")
    (tmp_path / "other.json").write_text("[1, 2]")
    (tmp_path / "vector.json").write_text('{"type": "FeatureCollection", "features": [{}]}')
    inventory = take_inventory(tmp_path)
    assert inventory.documents == (tmp_path / "item.json",)
    assert inventory.leftovers == (
        str(tmp_path / ".a.tif.part"),
        str(tmp_path / ".a.tif.part.json"),
    )
    assert inventory.unreadable == ()


def test_a_truncated_document_is_reported(tmp_path: Path) -> None:
    plant(tmp_path / "item.json", {})
    (tmp_path / "other.json").write_text('{"type": "Feature", "stac_ver')
    inventory = take_inventory(tmp_path)
    assert [found.path for found in inventory.unreadable] == [str(tmp_path / "other.json")]
    assert Summary(inventory.unreadable).error is not None


def test_no_document_and_no_directory(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no STAC document"):
        take_inventory(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        take_inventory(tmp_path / "not" / "there")


async def test_what_is_elsewhere_is_counted_and_not_bad(tmp_path: Path) -> None:
    plant(tmp_path / "item.json", {"a": {"href": "https://example.com/a.tif"}})
    found = await verdicts(take_inventory(tmp_path))
    assert isinstance(found["a"], NotLocal)


async def test_files_outside_are_neither_read_nor_repaired(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    directory, outside = tmp_path / "directory", tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.tif"
    secret.write_bytes(b"secret")
    hrefs = {
        "absolute": str(secret),
        "url": secret.as_uri(),
        "climbs": "../outside/secret.tif",
        "missing": "../outside/new.tif",
        "link": "./link.tif",
        "folder": "./folder/secret.tif",
        "new": "./folder/new.tif",
        "nul": "./a\0b.tif",
        "none": "",
    }
    href = make_item(origin, *hrefs)
    assets: dict[str, Any] = {
        key: {"href": value, "file:size": 1} for key, value in hrefs.items()
    } | {"odd": 7, "number": {"href": 7}}
    plant(directory / "the-item.json", assets, href, id="the-item")
    (directory / "link.tif").symlink_to(secret)
    (directory / "folder").symlink_to(outside)
    (directory / "more.json").symlink_to(outside / "more.json")
    plant(outside / "more.json", {"more": {"href": "./secret.tif"}})
    inventory = take_inventory(directory)
    assert [found.path for found in inventory.unreadable] == [str(directory / "more.json")]
    after, planned = await repair(directory, config)
    assert {key: type(one) for key, one in after.items()} == dict.fromkeys(assets, OutOfBounds)
    assert planned == []
    assert secret.read_bytes() == b"secret"
    assert origin.requests == []
    assert {path.name for path in outside.iterdir()} == {"secret.tif", "more.json"}


async def test_repairs_from_the_source_that_the_document_names(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await downloaded(origin, tmp_path, config, "a", "b", "c")
    before = (tmp_path / "the-item.json").read_bytes()
    (tmp_path / "a.tif").unlink()
    (tmp_path / "b.tif").write_bytes(b"ruin")
    origin.forget()
    after, _ = await repair(tmp_path, config)
    assert {key: type(one) for key, one in after.items()} == {"a": Verified, "b": Verified}
    assert sorted(request.path for request in origin.requests) == [
        "/a.tif",
        "/b.tif",
        "/item.json",
    ]
    assert (tmp_path / "the-item.json").read_bytes() == before
    item = load_stac(tmp_path / "the-item.json")
    assert isinstance(item, pystac.Item)
    for key in item.assets:
        assert (tmp_path / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")


async def test_a_source_that_changed_repairs_nothing(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await downloaded(origin, tmp_path, config, "a", "b")
    (tmp_path / "a.tif").write_bytes(b"ruin")
    origin.put("/a.tif", b"another version")
    after, _ = await repair(tmp_path, config)
    assert isinstance(after["a"], Corrupt)
    assert "the repair failed: the source has 15 bytes, but file:size" in after["a"].reason
    assert (tmp_path / "a.tif").read_bytes() == b"ruin"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "no `derived_from` link"),
        ("/not/there.json", "the source /not/there.json does not exist"),
        ("{origin}/gone.json", "cannot be read: 404"),
        ("{origin}/item.json", "the source has no asset 'a' of item 'planted'"),
    ],
)
async def test_a_source_that_does_not_help_is_told(
    origin: Origin, config: Config, tmp_path: Path, source: str | None, reason: str
) -> None:
    make_item(origin, "a")
    origin.remove("/gone.json")
    named = source.replace("{origin}", origin.url) if source else None
    plant(tmp_path / "item.json", {"a": {"href": "./a.tif"}}, named)
    after, _ = await repair(tmp_path, config)
    assert isinstance(after["a"], Missing)
    assert reason in after["a"].reason


async def test_a_source_names_no_local_file_unless_that_is_allowed(
    config: Config, tmp_path: Path
) -> None:
    directory, secret = tmp_path / "directory", tmp_path / "secret.tif"
    secret.write_bytes(b"secret")
    source = tmp_path / "source.json"
    plant(source, {"a": {"href": str(secret)}})
    plant(directory / "item.json", {"a": {"href": "./a.tif"}}, str(source))
    after, _ = await repair(directory, config)
    assert isinstance(after["a"], Missing)
    assert "allow_local_hrefs=True" in after["a"].reason
    config.allow_local_hrefs = True
    after, _ = await repair(directory, config)
    assert isinstance(after["a"], Unverifiable)
    assert (directory / "a.tif").read_bytes() == b"secret"


async def test_an_asset_that_is_a_document_itself_is_data(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await downloaded(origin, tmp_path, config, "a", "b")
    plant(
        tmp_path / "metadata.json",
        {
            "elsewhere": {"href": "./not-there.tif"},
            "item": {"href": "./the-item.json", "file:size": 1},
        },
        origin.href("/evil.json"),
    )
    document = json.loads((tmp_path / "the-item.json").read_text())
    document["assets"]["metadata"] = {"href": "./metadata.json"}
    (tmp_path / "the-item.json").write_text(json.dumps(document))
    plant(tmp_path / "second.json", {"metadata": {"href": "./metadata.json"}})
    # They name each other: that makes none of them an asset.
    inventory = take_inventory(tmp_path)
    assert {path.name for path in inventory.documents} == {"second.json", "the-item.json"}
    (tmp_path / "second.json").unlink()
    inventory = take_inventory(tmp_path)
    assert {path.name for path in inventory.documents} == {"metadata.json", "the-item.json"}
    after, _ = await repair(tmp_path, config)
    assert isinstance(after["item"], OutOfBounds)
    assert "is a document" in after["item"].reason
    assert json.loads((tmp_path / "the-item.json").read_text()) == document


async def test_a_document_cannot_have_anothers_good_file_overwritten(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await downloaded(origin, tmp_path, config, "a")
    good = (tmp_path / "a.tif").read_bytes()
    origin.put("/evil.tif", b"evil")
    evil = item_document(origin, name="planted")
    evil["assets"]["a"] = {"href": origin.href("/evil.tif")}
    source = origin.put("/evil.json", json.dumps(evil).encode())
    plant(tmp_path / "planted.json", {"a": {"href": "./a.tif", "file:size": 4}}, source)
    after, planned = await repair(tmp_path, config)
    assert [type(one) for one in planned] == [Unrepairable]
    assert isinstance(after["a"], Corrupt)
    assert "another asset declares" in after["a"].reason
    assert (tmp_path / "a.tif").read_bytes() == good


async def test_documents_that_agree_on_a_file_have_it_repaired_once(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await downloaded(origin, tmp_path, config, "a")
    document = json.loads((tmp_path / "the-item.json").read_text())
    items = {"type": "FeatureCollection", "features": [document]}
    (tmp_path / "item-collection.json").write_text(json.dumps(items))
    (tmp_path / "a.tif").unlink()
    after, planned = await repair(tmp_path, config)
    assert [type(one) for one in planned] == [Repair]
    assert isinstance(after["a"], Verified)


async def test_a_pipe_is_no_file_and_nobody_waits_for_it(config: Config, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    os.mkfifo(tmp_path / "pipe.json")
    plant(tmp_path / "item.json", {"a": {"href": "./a.tif"}})
    inventory = take_inventory(tmp_path)
    assert [found.reason for found in inventory.unreadable] == ["the path is not a regular file"]
    assert isinstance((await verdicts(inventory))["a"], Corrupt)


async def test_large_item_collections_are_read_as_a_stream(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"abc")
    feature = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "one",
        "links": [],
        "geometry": None,
        "properties": {"text": "x" * 1_000_000},
        "assets": {"a": {"href": "./a.tif", "file:size": 3}},
    }
    document = {"type": "FeatureCollection", "features": [feature] * 18}
    (tmp_path / "items.json").write_text(json.dumps(document))
    found = [verdict async for verdict in check_all(take_inventory(tmp_path))]
    assert [type(one) for one in found] == [Unverifiable] * 18
    text = (tmp_path / "items.json").read_text()
    (tmp_path / "items.json").write_text(text[:-10])
    assert len(take_inventory(tmp_path).unreadable) == 1


async def test_run_repairs_with_the_downloads_of_its_caller(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await downloaded(origin, tmp_path, config, "a", "b", "c")
    for key in ("a", "b"):
        (tmp_path / f"{key}.tif").unlink()
    plant(tmp_path / "other.json", {"lost": {"href": "./lost.tif"}})
    origin.remove("/b.tif")
    unrepairable: list[Unrepairable] = []
    opened: list[Sequence[Bad]] = []

    @asynccontextmanager
    async def open_repairs(bad: Sequence[Bad]) -> AsyncIterator[Repairs]:
        opened.append(bad)
        changed = repair_config(config)
        async with Clients(changed) as clients:

            async def download(repairs: Sequence[Repair]) -> AsyncGenerator[Outcome, None]:
                for planned in repairs:
                    yield await Engine(clients, changed, LocalDestinations()).download(
                        planned.transfer
                    )

            yield Repairs(clients, changed, download, unrepairable.append)

    rows: list[dict[str, Any]] = []
    inventory = take_inventory(tmp_path)
    summary = await verify_files(inventory, on_row=rows.append)
    assert (summary.good, summary.bad, summary.repaired) == (1, 3, 0)
    rows.clear()
    summary = await verify_files(inventory, open_repairs, rows.append)
    assert (summary.good, summary.bad, summary.repaired) == (2, 2, 1)
    states = {row["key"]: (row["state"], row["repaired"]) for row in rows}
    assert states == {
        "a": ("verified", True),
        "b": ("missing", False),
        "c": ("verified", False),
        "lost": ("missing", False),
    }
    assert [Path(entry.path).name for entry in unrepairable] == ["lost.tif"]
    assert [len(bad) for bad in opened] == [3]


def test_the_command_repairs_only_when_told_to(origin: Origin, tmp_path: Path) -> None:
    def run(*arguments: object) -> tuple[int, str, str]:
        start = [sys.executable, "-c", "from stac_asset.cli import main; main()"]
        done = subprocess.run(
            [*start, *map(str, arguments)], capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    run("download", make_item(origin, "a", "b"), tmp_path, "--write-checksums")
    assert run("verify", tmp_path) == (0, "2 of 2 files are good", "")
    (tmp_path / "a.tif").write_bytes(b"ruin")
    code, output, errors = run("verify", tmp_path)
    assert (code, output) == (1, "1 of 2 files are good")
    assert errors.startswith("error: 1 of 2 files are missing or wrong\n- asset 'a' of item")
    code, output, errors = run("verify", tmp_path, "--warn")
    assert (code, errors[:8]) == (0, "warning:")
    assert run("verify", tmp_path, "--repair") == (0, "2 of 2 files are good, 1 repaired", "")
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    code, _, errors = run("verify", tmp_path / "not there")
    assert (code, errors) == (1, f"error: the directory {tmp_path / 'not there'} does not exist")
