"""Directories as users write them: home directories, empty texts and URLs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stac_asset
from stac_asset import Config
from stac_asset.destinations.directories import check_directory, directory_path
from stac_asset.errors import DestinationError
from stac_asset.testing import Origin
from tests.support.remote_items import remote_item
from tests.support.verification import inventory_of


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Home directory, different from the working directory."""
    (home := tmp_path / "home").mkdir()
    (working := tmp_path / "working").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(working)
    return home


@pytest.mark.parametrize(
    ("given", "expected"),
    [("~", "home"), ("~/data", "home/data"), ("a/~", "working/a/~")],
)
def test_tilde_at_the_start_is_the_home_directory(home: Path, given: str, expected: str) -> None:
    for one in (given, Path(given)):
        assert directory_path(one) == home.parent / expected


def test_file_url_is_a_path(tmp_path: Path) -> None:
    assert directory_path((tmp_path / "a b").as_uri()) == tmp_path / "a b"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("", "`directory` is empty. Set `directory` to a path, such as '.' for the working "),
        (" \t", "`directory` is empty. "),
        ("s3://bucket/prefix?sig=1", "`directory` 's3://…' is a URL, but files are written to "),
        (None, "`directory` must be a path, not NoneType. Pass a string or a `Path`."),
        (["a"], "`directory` must be a path, not list."),
        ("~no-such-user/data", "`directory` '~no-such-user/data' names a user without a home "),
    ],
)
def test_unusable_directory_is_refused(given: Any, text: str) -> None:
    with pytest.raises(DestinationError) as error_info:
        directory_path(given)
    assert str(error_info.value).startswith(text)


def test_directory_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_text("")
    with pytest.raises(DestinationError, match=r"Not a directory\. Set `directory` to "):
        check_directory(file / "data", True)
    with pytest.raises(DestinationError, match=r"does not exist\. Create it or set"):
        check_directory(tmp_path / "data", False)
    check_directory(tmp_path / "a" / "b", True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


CALLS: dict[str, Callable[..., Any]] = {
    "download_item": lambda item, to: stac_asset.download_item(item, to),
    "plan_item": lambda item, to: stac_asset.plan_item(item, to),
    "download_file": lambda item, to: stac_asset.download_file(item.assets["a"].href, to),
    "download_asset": lambda item, to: stac_asset.download_asset(
        "a", item.assets["a"], to, Config()
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_public_functions_expand_home_and_refuse_empty_paths(
    name: str, home: Path, origin: Origin
) -> None:
    item = remote_item(origin, "a")
    with pytest.raises(DestinationError, match="is empty"):
        await CALLS[name](item, "")
    assert origin.requests == []
    await CALLS[name](item, "~/data")
    assert list(home.parent.joinpath("working").iterdir()) == []
    if not name.startswith("plan"):
        found = home / "data"
        assert (found / "a.tif" if found.is_dir() else found).read_bytes() == origin.content(
            "/a.tif"
        )


async def test_verified_directory_is_expanded(home: Path, origin: Origin) -> None:
    await stac_asset.download_item(remote_item(origin, "a"), "~/data")
    assert (await inventory_of("~/data")).directory == home / "data"
    with pytest.raises(DestinationError, match="is empty"):
        await inventory_of("")
