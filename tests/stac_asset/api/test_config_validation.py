"""Contradictory and invalid configurations are rejected by all public functions."""

from __future__ import annotations

import inspect
import queue
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pystac
import pytest

import stac_asset
from stac_asset import (
    CannotIncludeAndExclude,
    Config,
    ConfigError,
    ErrorStrategy,
    FileNameStrategy,
    HttpClient,
    download_item,
)
from stac_asset.errors import DestinationError
from stac_asset.testing import Origin
from tests.support.remote_items import remote_item

ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "x",
    "geometry": None,
    "properties": {"datetime": "2026-06-01T00:00:00Z"},
    "links": [],
    "assets": {"a": {"href": "http://127.0.0.1:9/a.tif"}},
}


async def exhaust(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


def calls(directory: Path) -> dict[str, Callable[[Config], Awaitable[Any]]]:
    """Return a call of each public function that accepts a configuration."""
    item = pystac.Item.from_dict(ITEM)
    items = pystac.ItemCollection([item])
    asset, href = item.assets["a"], item.assets["a"].href
    extent = pystac.Extent(
        pystac.SpatialExtent([[-1, -1, 1, 1]]), pystac.TemporalExtent([[None, None]])
    )
    collection = pystac.Collection("c", "d", extent)
    api = stac_asset
    return {
        "download_item": lambda c: api.download_item(item, directory, config=c),
        "download_collection": lambda c: api.download_collection(collection, directory, config=c),
        "download_item_collection": lambda c: api.download_item_collection(
            items, directory, config=c
        ),
        "download_asset": lambda c: api.download_asset("a", asset, directory / "a.tif", c),
        "download_file": lambda c: api.download_file(href, directory / "a.tif", c),
        "asset_exists": lambda c: api.asset_exists(asset, c),
        "assert_asset_exists": lambda c: api.assert_asset_exists(asset, c),
        "open_href": lambda c: exhaust(api.open_href(href, c)),
        "read_href": lambda c: api.read_href(href, c),
        "plan_item": lambda c: api.plan_item(item, directory, config=c),
        "plan_collection": lambda c: api.plan_collection(collection, directory, config=c),
        "plan_item_collection": lambda c: api.plan_item_collection(items, directory, config=c),
    }


@pytest.mark.parametrize("name", calls(Path()))
async def test_invalid_config_is_rejected(name: str, tmp_path: Path) -> None:
    call = calls(tmp_path)[name]
    with pytest.raises(CannotIncludeAndExclude):
        await call(Config(include=["a"], exclude=["b"]))
    with pytest.raises(ConfigError, match="`warn` and `fail_fast`"):
        await call(Config(warn=True, fail_fast=True))
    with pytest.raises(ConfigError, match="s3_max_attempts"):
        await call(Config(s3_max_attempts=0))
    with pytest.raises(ConfigError, match="is not a known client"):
        await call(Config(client_override="nonsense"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", calls(Path()))
async def test_config_of_another_type_is_rejected(name: str, tmp_path: Path) -> None:
    wrong: Any = {"include": ["a"]}
    with pytest.raises(ConfigError, match=r"^`config` must be a `Config`, not dict\. Use "):
        await calls(tmp_path)[name](wrong)


@pytest.mark.parametrize("text", ["KEY", "key", " Key "])
def test_choices_of_config_are_accepted_as_text_in_any_case(text: str) -> None:
    values: dict[str, Any] = {
        "file_name_strategy": text,
        "error_strategy": "keep",
        "verify_existing": "SIZE",
        "s3_retry_mode": "Standard",
    }
    config = Config(**values)
    config.validate()
    assert config.file_name_strategy is FileNameStrategy.KEY
    assert config.error_strategy is ErrorStrategy.KEEP
    assert (config.verify_existing, config.s3_retry_mode) == ("size", "standard")
    later = Config()
    later.file_name_strategy = values["file_name_strategy"]
    assert later.file_name_strategy is FileNameStrategy.KEY


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("file_name_strategy", "KEYS", "`file_name_strategy` must be FILE_NAME or KEY, not 'KEYS'"),
        ("file_name_strategy", 2, "`file_name_strategy` must be FILE_NAME or KEY, not int"),
        ("verify_existing", "all", "`verify_existing` must be size or checksum or none, not 'all'"),
        ("overwrite", "yes", "`overwrite` is not valid: Input should be a valid boolean, not str"),
    ],
)
def test_wrong_type_of_field_is_rejected_in_one_sentence(field: str, value: Any, text: str) -> None:
    with pytest.raises(ConfigError) as error_info:
        Config(**{field: value}).validate()
    assert str(error_info.value) == text


LISTS = [field.name for field in fields(Config) if field.default_factory is list]
DICTIONARIES = [field.name for field in fields(Config) if field.default_factory is dict]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("red", "must be a list, not a string. Write ['red']."),
        ("red, nir", "must be a list, not a string. Write ['red', 'nir']."),
        (None, "must be a list of strings, not NoneType. Pass a list."),
        ({"red": 1}, "must be a list of strings, not dict. Pass a list."),
        ([4], "must be a list of strings, and has an entry of the type int. Correct the entry."),
    ],
)
def test_value_that_is_no_list_is_rejected_when_the_field_is_set(
    name: str, value: Any, text: str
) -> None:
    for make in (lambda: Config(**{name: value}), lambda: setattr(Config(), name, value)):
        with pytest.raises(ConfigError) as error_info:
            make()
        assert str(error_info.value) == f"`{name}` {text}"


@pytest.mark.parametrize("name", LISTS)
def test_tuples_sets_and_iterators_are_accepted_as_lists(name: str) -> None:
    for value in (("b", "a"), iter(["b", "a"])):
        assert getattr(Config(**{name: cast(Any, value)}), name) == ["b", "a"]
    for value in ({"b", "a"}, frozenset({"b", "a"})):
        assert getattr(Config(**{name: cast(Any, value)}), name) == ["a", "b"]


@pytest.mark.parametrize("name", DICTIONARIES)
def test_value_that_is_no_dictionary_is_rejected_without_showing_it(name: str) -> None:
    value: Any = "Authorization: s3cret"
    with pytest.raises(ConfigError) as error_info:
        Config(**{name: value})
    assert str(error_info.value) == f"`{name}` must be a dictionary, not str. Pass a dictionary."


def test_misspelt_field_is_rejected_with_the_nearest_name() -> None:
    config: Any = Config()
    with pytest.raises(ConfigError, match=r"no field `includes`\. The nearest name is `include`"):
        config.includes = ["a"]
    create: Any = Config
    with pytest.raises(ConfigError) as caught:
        create(inlcude=["a"])
    assert str(caught.value) == (
        "`Config` has no field `inlcude`. The nearest name is `include`. Correct or remove the "
        "name."
    )
    assert list(inspect.signature(Config).parameters) == [one.name for one in fields(Config)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"clients": HttpClient}, "`clients` must be a list of clients, not the class HttpClient"),
        ({"clients": {"http": 1}}, "`clients` must be a list of clients, not dict"),
        ({"clients": [HttpClient]}, "`clients` must contain clients, not the class HttpClient"),
        ({"clients": ["http"]}, "`clients` must contain clients, not str"),
        ({"messages": []}, "`messages` must be an `asyncio.Queue`, not list"),
        ({"messages": queue.Queue()}, "`messages` must be an `asyncio.Queue`, not Queue"),
        ({"max_concurrent_downloads": "5"}, "`max_concurrent_downloads` must be an integer"),
    ],
)
async def test_wrong_kind_of_argument_is_rejected_in_one_sentence(
    tmp_path: Path, arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as error_info:
        await download_item(pystac.Item.from_dict(ITEM), tmp_path, **arguments)
    assert str(error_info.value).startswith(text)


def test_all_functions_with_config_parameter_are_covered() -> None:
    accepting = {
        name
        for name in stac_asset.__all__
        if "config" in getattr(getattr(stac_asset, name), "__annotations__", {})
    }
    assert accepting == set(calls(Path()))


@pytest.mark.parametrize("number", [0, -1, True, "5", None])
async def test_number_of_concurrent_downloads_must_be_positive(number: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=f"^`max_concurrent_downloads` must be .* at least 1, not {number!r}. Use"
    ):
        await download_item(ITEM, tmp_path, max_concurrent_downloads=number)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (Config(http_headers={"A b": "secret"}), "has the header 'A b', which is not a valid name"),
        (Config(http_headers={"": "secret"}), "has the header '', which is not a valid name"),
        (Config(http_headers={"A": "secret\n"}), "`http_headers.A` contains a line end .*Remove"),
        (Config(earthdata_token="secret\nb"), "`earthdata_token` contains a line end .*Remove"),
        (
            Config(destination_access_key_id="a", destination_session_token="secret\nb"),
            "`destination_session_token` contains a line end",
        ),
        (Config(destination_storage_class="secret\nb"), "`destination_storage_class` contains a"),
        (Config(s3_endpoint_url="https://:secret@host"), "`s3_endpoint_url` is not the URL of a"),
        (Config(s3_endpoint_url="minio:9000"), "`s3_endpoint_url` is not the URL of a service"),
        (Config(oauth2_token_url="https://"), "`oauth2_token_url` is not the URL of a service"),
        (Config(sas_token_endpoint="x"), "`sas_token_endpoint` is not the URL of a service"),
        (Config(http_read_timeout=float("nan")), "`http_read_timeout` must be more than 0"),
        (Config(retry_wait=float("nan")), "`retry_wait` must be 0 seconds or more"),
        (Config(expected_speed=float("nan")), "`expected_speed` must be more than 0"),
    ],
)
def test_value_that_no_request_can_have_is_rejected(config: Config, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as raised:
        config.validate()
    assert "secret" not in str(raised.value)


def test_line_ends_around_secrets_are_removed() -> None:
    config = Config(earthdata_token="\ntoken\n")
    config.oauth2_password = " pass word \r\n"
    config.validate()
    assert (config.earthdata_token, config.oauth2_password) == ("token", " pass word ")


@pytest.mark.parametrize("name", ["file/folder", "file", "link/folder", "link", "a" * 300])
async def test_impossible_directory_is_rejected_before_the_first_request(
    name: str, tmp_path: Path, origin: Origin
) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(
        DestinationError, match=r"^Cannot create directory '.*Set `directory` to another path\.$"
    ):
        await download_item(origin.href("/item.json"), tmp_path / name)
    assert origin.requests == []
    plan = await stac_asset.plan_item(ITEM, tmp_path / name)
    assert (plan.directory_problem or "").startswith("Cannot create directory")
    with pytest.raises(DestinationError):
        await stac_asset.plan_item(ITEM, tmp_path / name, config=Config(make_directory=False))


async def test_warn_and_fail_fast_are_mutually_exclusive(tmp_path: Path, origin: Origin) -> None:
    with pytest.raises(ConfigError, match="`warn` and `fail_fast` are mutually exclusive"):
        await download_item(
            remote_item(origin, "a"), tmp_path, config=Config(warn=True, fail_fast=True)
        )
