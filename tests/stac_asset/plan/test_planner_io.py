"""Planning performs no I/O. All facts about the file system come from the given object."""

from __future__ import annotations

import builtins
import gc
import sys
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config
from stac_asset.errors import AssetOverwriteError, DestinationError
from stac_asset.notices import collect_notices
from stac_asset.plan import Owner, Planner
from stac_asset.types import Failed, Transfer

DIRECTORY = Path("/does/not/exist")

_PURE = {"fspath", "_normpath", "_path_normpath"}
"""Functions of the `posix` module that perform no I/O."""


class GivenFacts:
    """Facts about the file system, as given by a test."""

    def __init__(self, symlinks: dict[str, str] | None = None, is_local: bool = False) -> None:
        self.symlinks = symlinks or {}
        self.is_local = is_local

    def is_symlink(self, path: str) -> bool:
        return path in self.symlinks

    def real_path(self, path: str) -> str:
        return self.symlinks.get(path, path)

    def is_same_file(self, href: str, path: str) -> bool:
        return href == str(path)

    def is_local_document(self, owner: Owner) -> bool:
        return self.is_local


class SystemCalls:
    """Records calls of built-in functions that perform I/O."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __enter__(self) -> SystemCalls:
        # Garbage of earlier tests may contain descriptors, which the collector would close.
        gc.collect()
        gc.disable()
        self._previous = sys.getprofile()
        sys.setprofile(self._record)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._previous)
        gc.enable()

    def _record(self, _: Any, event: str, function: Any) -> None:
        if event != "c_call":
            return
        module, name = getattr(function, "__module__", None), function.__name__
        is_system_call = module in ("posix", "nt", "_socket") and name not in _PURE
        if is_system_call or function is builtins.open:
            self.calls.append(f"{module}.{name}")


def item_with_assets(assets: dict[str, Any]) -> pystac.Item:
    """Return an item with the given assets, without a self link."""
    return pystac.Item.from_dict(
        {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": "the-item",
            "geometry": None,
            "properties": {"datetime": "2026-06-01T00:00:00Z"},
            "links": [],
            "assets": assets,
        }
    )


def local_item() -> pystac.Item:
    """Return an item with a local self link, three assets, and one without an href."""
    item = item_with_assets(
        {
            "a": {"href": "./a.tif", "file:size": 3},
            "b": {"href": "https://example.com/b.tif"},
            "c": {"href": "/local/c.tif"},
            "d": {"href": ""},
        }
    )
    item.set_self_href("/local/item.json")
    return item


def plan(owner: pystac.Item, facts: GivenFacts) -> list[Transfer | Failed]:
    """Return the planned transfers and failures of an item."""
    planner = Planner(DIRECTORY, Config(), facts)
    planner.document("item 'the-item'", "item.json", "/local/item.json")
    return list(planner.assets(owner, "folder/of/item"))


@pytest.mark.parametrize("is_local", [True, False])
def test_planner_makes_no_system_call(is_local: bool) -> None:
    owner, facts = local_item(), GivenFacts(is_local=is_local)
    plan(owner, facts)  # The first plan may import modules.
    with collect_notices(), SystemCalls() as system:
        planned = plan(owner, facts)
    assert system.calls == []
    assert len(planned) == 3
    assert sum(isinstance(entry, Transfer) for entry in planned) == (3 if is_local else 1)


def test_system_calls_are_recorded(tmp_path: Path) -> None:
    with SystemCalls() as system:
        tmp_path.is_dir()
        (tmp_path / "file").write_bytes(b"")
    assert "posix.stat" in system.calls
    assert len(system.calls) >= 2


def test_folders_that_are_same_through_symlink_collide() -> None:
    real, link = DIRECTORY / "real", DIRECTORY / "link"
    first, second = ({"a": {"href": f"https://example.com/{n}/a.tif"}} for n in (1, 2))
    planner = Planner(DIRECTORY, Config(), GivenFacts({str(link): str(real)}))
    list(planner.assets(item_with_assets(first), "real"))
    [failed] = planner.assets(item_with_assets(second), "link")
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, AssetOverwriteError)


def test_source_document_is_not_replaced() -> None:
    planner = Planner(DIRECTORY, Config(), GivenFacts())
    with pytest.raises(DestinationError, match="Choose another `directory` or `file_name`"):
        planner.document("item 'the-item'", "item.json", str(DIRECTORY / "item.json"))


def test_asset_with_the_path_of_a_document_behind_a_symlink_has_another_name() -> None:
    facts = GivenFacts(symlinks={"/does/not/exist/Link": "/does/not/exist/real"})
    planner = Planner(DIRECTORY, Config(), facts)
    planner.document("item 'other'", "real/data.json")
    [planned] = planner.assets(item_with_assets({"a": {"href": "https://x.org/data.json"}}), "Link")
    assert isinstance(planned, Transfer)
    assert planned.path == "/does/not/exist/Link/data_a.json"
