"""What is public, beyond what the documented API names."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pystac
import pytest
from yarl import URL

import stac_asset
from stac_asset import (
    Config,
    ErrorAssetDownload,
    FinishAssetDownload,
    Message,
    OpenUrl,
    SkipAssetDownload,
    StartAssetDownload,
    WriteChunk,
    blocking,
    download_item,
    get_client_classes,
)
from stac_asset.errors import LocalHrefError, StacAssetError
from stac_asset.testing import Origin
from tests.make_item import item_document

MODULES = {"blocking", "validate"}
"""Modules that are public by being named."""


def signature(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def test_all_is_what_is_public() -> None:
    assert set(stac_asset.__all__) <= set(dir(stac_asset))
    for name in stac_asset.__all__:  # Imported now, if nobody has used it yet.
        assert getattr(stac_asset, name) is getattr(stac_asset, name)
    public = {
        name
        for name, value in vars(stac_asset).items()
        if not name.startswith("_") and (name in MODULES or not isinstance(value, ModuleType))
    }
    assert public - {"annotations", "TYPE_CHECKING", "import_module"} == set(stac_asset.__all__)
    assert stac_asset.__all__ == sorted(stac_asset.__all__)


def test_every_public_coroutine_has_a_blocking_twin() -> None:
    coroutines = {
        name: getattr(stac_asset, name)
        for name in stac_asset.__all__
        if inspect.iscoroutinefunction(getattr(stac_asset, name))
    }
    assert set(blocking.__all__) == set(coroutines)
    for name, function in coroutines.items():
        twin = getattr(blocking, name)
        assert twin.__module__ == "stac_asset.blocking"
        assert not inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin) == inspect.signature(function)
        assert twin.__doc__ == function.__doc__


def test_public_names_are_documented() -> None:
    for name in stac_asset.__all__:
        assert getattr(stac_asset, name).__doc__, name


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("download_item", ["max_concurrent_downloads", "stream"]),
        ("download_collection", ["max_concurrent_downloads", "stream"]),
        ("download_item_collection", ["path_template", "max_concurrent_downloads", "stream"]),
        ("download_asset", ["stream"]),
        ("download_file", ["href", "destination", "config", "clients"]),
    ],
)
def test_arguments_of_later_releases(name: str, later: list[str]) -> None:
    for function in (getattr(stac_asset, name), getattr(blocking, name)):
        found = signature(function)
        assert list(found)[-len(later) :] == later or list(found)[: len(later)] == later


def test_config_fields_of_later_releases_and_of_ours() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(Config)}
    assert {
        "client_override": None,
        "http_client_timeout": None,
        "s3_endpoint_url": None,
        "oauth2_grant": None,
        "oauth2_token_url": None,
        "oauth2_authorization_url": None,
        "oauth2_device_authorization_url": None,
        "oauth2_client_id": None,
        "oauth2_client_secret": None,
        "oauth2_pkce": True,
        "oauth2_username": None,
        "oauth2_password": None,
        "http_check_content_type": True,
        "write_checksums": False,
    }.items() <= fields.items()
    assert {"http_max_attempts", "http_headers", "oauth2_extra"} <= set(fields)
    # Those that the document has come first, so that they can be given by position.
    assert list(fields).index("s3_max_attempts") == 14


def test_secrets_have_no_repr() -> None:
    secrets = {
        name: f"secret-{name}"
        for name, hint in get_type_hints(Config).items()
        if any(word in name for word in ("token", "secret", "password", "key", "username"))
        and hint == (str | None)
        and not name.endswith("_url")
    }
    assert {"earthdata_token", "oauth2_client_secret", "oauth2_password"} <= set(secrets)
    config = Config(http_headers={"X-Key": "secret"}, oauth2_extra={"a": "secret"}, **secrets)
    assert "secret-" not in repr(config)
    assert "'secret'" not in repr(config)


def test_client_classes_and_their_names() -> None:
    names = [client.name for client in get_client_classes()]
    assert names[:5] == ["filesystem", "s3", "planetary-computer", "earthdata", "http"]
    assert len(set(names)) == len(names)


async def messages_of(item: pystac.Item, directory: Path, config: Config) -> list[Message]:
    queue: asyncio.Queue[Message] = asyncio.Queue()
    with suppress(StacAssetError):
        await download_item(item, directory, config=config, messages=queue)
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def test_messages_of_a_download_a_skip_and_an_error(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.put("/a.tif", size=300_000)
    item = pystac.Item.from_dict(item_document(origin, "a"))
    href, path = origin.href("/a.tif"), tmp_path / "a.tif"
    item.assets["a"].href += "?sig=secret"

    first, second, *chunks, last = await messages_of(item, tmp_path, config)
    assert first == StartAssetDownload(key="a", owner_id="the-item", href=f"{href}?…", path=path)
    assert second == OpenUrl(url=URL(href), size=300_000)
    assert {type(chunk) for chunk in chunks} == {WriteChunk}
    assert sum(chunk.size for chunk in chunks if isinstance(chunk, WriteChunk)) == 300_000
    assert {(chunk.href, chunk.path) for chunk in chunks if isinstance(chunk, WriteChunk)} == {
        (f"{href}?…", path)
    }
    assert last == FinishAssetDownload(key="a", href=f"{href}?…", path=path)

    assert await messages_of(item, tmp_path, config) == [SkipAssetDownload(key="a", path=path)]

    path.unlink()
    origin.remove("/a.tif")
    started, failed = await messages_of(item, tmp_path, config)
    assert started == first
    assert isinstance(failed, ErrorAssetDownload)
    assert (failed.key, failed.href, failed.path) == ("a", f"{href}?…", path)
    assert isinstance(failed.error, FileNotFoundError)
    assert "secret" not in repr([first, second, *chunks, last, failed])


@pytest.mark.parametrize("fail_fast", [False, True])
async def test_asset_that_cannot_be_planned_has_its_message_too(
    origin: Origin, tmp_path: Path, config: Config, fail_fast: bool
) -> None:
    config.fail_fast = fail_fast
    item = pystac.Item.from_dict(item_document(origin, "a", "b"))
    item.assets["a"].href = "file:///etc/hostname"
    found = await messages_of(item, tmp_path, config)
    (failed,) = (message for message in found if isinstance(message, ErrorAssetDownload))
    assert (failed.key, failed.href, failed.path) == ("a", "", tmp_path)
    assert isinstance(failed.error, LocalHrefError)
    assert any(isinstance(message, FinishAssetDownload) for message in found) is not fail_fast


def test_import_is_light() -> None:
    heavy = ["pydantic_settings", "stac_asset.settings", "uvloop", "rich", "click", "prefect"]
    assert imported_of("import stac_asset; stac_asset.download_item", heavy) == "[]"
    names = [*heavy, "aiohttp", "pystac", "yarl", "asyncio", "stac_asset.config"]
    assert imported_of("import stac_asset", names) == "[]"


def test_help_imports_nothing_that_downloads() -> None:
    code = "import stac_asset.cli; stac_asset.cli.app(['--help'], standalone_mode=False)"
    heavy = ["pystac", "pydantic", "uvloop", "rich", "prefect", "stac_asset.api"]
    assert imported_of(code, heavy).endswith("[]")


def test_a_name_that_is_not_there() -> None:
    assert not hasattr(stac_asset, "download_everything")
    with pytest.raises(ImportError):
        from stac_asset import download_everything  # type: ignore[attr-defined] # noqa: F401


def imported_of(code: str, names: list[str]) -> str:
    """Returns what a new process prints that imports something: which names were imported."""
    code = f"import sys; {code}; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
