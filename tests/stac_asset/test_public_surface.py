"""Public names, signatures, messages and imports, beyond the documented API."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import inspect
import pkgutil
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
from tests.support.items import item_document

MODULES = {"blocking", "validate"}
"""Public modules. Other modules are attributes of the package only after an import."""


def defaults_by_parameter(function: Any) -> dict[str, Any]:
    """Return the default values of a function, by parameter name."""
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def test_all_lists_the_public_names() -> None:
    assert set(stac_asset.__all__) <= set(dir(stac_asset))
    for name in stac_asset.__all__:  # Load names that are imported on first use.
        assert getattr(stac_asset, name) is getattr(stac_asset, name)
    public = {
        name
        for name, value in vars(stac_asset).items()
        if not name.startswith("_") and (name in MODULES or not isinstance(value, ModuleType))
    }
    assert public - {"annotations", "TYPE_CHECKING", "import_module"} == set(stac_asset.__all__)
    assert stac_asset.__all__ == sorted(stac_asset.__all__)


def test_every_module_is_documented_as_public_or_internal() -> None:
    public = {
        "audit",
        "blocking",
        "clients",
        "config",
        "errors",
        "messages",
        "settings",
        "strategy",
        "sync",
    }
    public |= {"testing", "types", "validate"}
    found = {module.name for module in pkgutil.iter_modules(stac_asset.__path__)}
    internal = {
        name
        for name in found
        if (importlib.import_module(f"stac_asset.{name}").__doc__ or "").startswith("Internal: ")
    }
    assert found - internal == public


def test_public_coroutines_have_blocking_functions() -> None:
    coroutines = {
        name: getattr(stac_asset, name)
        for name in stac_asset.__all__
        if inspect.iscoroutinefunction(getattr(stac_asset, name))
    }
    assert set(blocking.__all__) == set(coroutines)
    for name, function in coroutines.items():
        blocking_function = getattr(blocking, name)
        assert blocking_function.__module__ == "stac_asset.blocking"
        assert not inspect.iscoroutinefunction(blocking_function)
        assert inspect.signature(blocking_function) == inspect.signature(function)
        assert blocking_function.__doc__ == function.__doc__


def test_public_names_have_docstrings() -> None:
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
def test_functions_have_arguments_of_later_releases(name: str, later: list[str]) -> None:
    for function in (getattr(stac_asset, name), getattr(blocking, name)):
        *names, own = defaults_by_parameter(function)
        assert own == "progress"
        assert names[-len(later) :] == later or names[: len(later)] == later


def test_config_has_fields_of_later_releases_and_own_fields() -> None:
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
    # The documented fields come first, so that positional arguments keep their meaning.
    assert list(fields).index("s3_max_attempts") == 14


def test_repr_of_config_contains_no_secrets() -> None:
    secrets = {
        name: f"secret-{name}"
        for name, hint in get_type_hints(Config).items()
        if any(word in name for word in ("token", "secret", "password", "key", "username"))
        and hint == (str | None)
        and not name.endswith(("_url", "_kms_key_id"))
    }
    assert {"earthdata_token", "oauth2_client_secret", "oauth2_password"} <= set(secrets)
    config = Config(http_headers={"X-Key": "secret"}, oauth2_extra={"a": "secret"}, **secrets)
    assert "secret-" not in repr(config)
    assert "'secret'" not in repr(config)


def test_client_classes_have_unique_names_in_order() -> None:
    names = [client.name for client in get_client_classes()]
    assert names[:6] == ["filesystem", "data", "s3", "planetary-computer", "earthdata", "http"]
    assert names[6:8] == ["gcs", "azure"]
    assert len(set(names)) == len(names)


async def read_messages(item: pystac.Item, directory: Path, config: Config) -> list[Message]:
    """Download an item, and return the messages of the download, also after an error."""
    queue: asyncio.Queue[Message] = asyncio.Queue()
    with suppress(StacAssetError):
        await download_item(item, directory, config=config, messages=queue)
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def test_download_skip_and_error_send_messages(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.put("/a.tif", size=300_000)
    item = pystac.Item.from_dict(item_document(origin, "a"))
    href, path = origin.href("/a.tif"), tmp_path / "a.tif"
    item.assets["a"].href += "?sig=secret"

    first, second, *chunks, last = await read_messages(item, tmp_path, config)
    assert first == StartAssetDownload(key="a", owner_id="the-item", href=f"{href}?…", path=path)
    assert second == OpenUrl(url=URL(href), size=300_000)
    assert {type(chunk) for chunk in chunks} == {WriteChunk}
    assert sum(chunk.size for chunk in chunks if isinstance(chunk, WriteChunk)) == 300_000
    assert {(chunk.href, chunk.path) for chunk in chunks if isinstance(chunk, WriteChunk)} == {
        (f"{href}?…", path)
    }
    assert last == FinishAssetDownload(key="a", href=f"{href}?…", path=path)

    assert await read_messages(item, tmp_path, config) == [SkipAssetDownload(key="a", path=path)]

    path.unlink()
    origin.remove("/a.tif")
    started, failed = await read_messages(item, tmp_path, config)
    assert started == first
    assert isinstance(failed, ErrorAssetDownload)
    assert (failed.key, failed.href, failed.path) == ("a", f"{href}?…", path)
    assert isinstance(failed.error, FileNotFoundError)
    assert "secret" not in repr([first, second, *chunks, last, failed])


@pytest.mark.parametrize("fail_fast", [False, True])
async def test_asset_with_planning_error_sends_error_message(
    origin: Origin, tmp_path: Path, config: Config, fail_fast: bool
) -> None:
    config.fail_fast = fail_fast
    item = pystac.Item.from_dict(item_document(origin, "a", "b"))
    item.assets["a"].href = "file:///etc/hostname"
    messages = await read_messages(item, tmp_path, config)
    (failed,) = (message for message in messages if isinstance(message, ErrorAssetDownload))
    assert (failed.key, failed.href, failed.path) == ("a", "", tmp_path)
    assert isinstance(failed.error, LocalHrefError)
    assert any(isinstance(message, FinishAssetDownload) for message in messages) is not fail_fast


def test_import_loads_no_slow_modules() -> None:
    slow = ["pydantic_settings", "stac_asset.settings", "uvloop", "rich", "click", "prefect"]
    providers = ["s3.client", "earthdata.client", "planetary_computer.client"]
    unused = [*slow, *(f"stac_asset.clients.{provider}" for provider in providers)]
    assert read_imported_modules("import stac_asset; stac_asset.download_item", unused) == "[]"
    names = [*slow, "aiohttp", "pystac", "yarl", "asyncio", "stac_asset.config"]
    assert read_imported_modules("import stac_asset", names) == "[]"


def test_help_imports_no_download_modules() -> None:
    code = "import stac_asset.cli; stac_asset.cli.app(['--help'], standalone_mode=False)"
    slow = ["aiohttp", "asyncio", "pystac", "pydantic", "uvloop", "rich", "tqdm", "prefect"]
    slow.append("stac_asset.api")
    assert read_imported_modules(code, slow).endswith("[]")


def test_unknown_name_raises_import_error() -> None:
    assert not hasattr(stac_asset, "download_everything")
    with pytest.raises(ImportError):
        from stac_asset import download_everything  # type: ignore[attr-defined] # noqa: F401


def read_imported_modules(code: str, names: list[str]) -> str:
    """Run code in a new process, and return the output with the subset of imported modules."""
    code = f"import sys; {code}; print([name for name in {names} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()
