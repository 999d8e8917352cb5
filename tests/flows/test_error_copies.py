"""Copies of errors: by pickle, by copy, and of their text alone, as Prefect's JSON makes them."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.serializers import CompressedJSONSerializer, JSONSerializer


import stac_asset
from prefect_stac_asset import blocks, deployments, flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.states import BatchError
from prefect_stac_asset.flows.tasks.check_outcomes import Checked, CheckError
from stac_asset.errors import (
    AssetOverwriteError,
    ContentTypeError,
    DownloadError,
    ResponseError,
    ResponseNotFoundError,
    StacAssetError,
    VerifyError,
)
from stac_asset.testing import Origin
from stac_asset.types import Failed
from tests.flows.running import transfers
from tests.flows.test_states import OPTIONS, make_items

_PACKAGES = (stac_asset, blocks, deployments, flows)


def of_asset(number: int) -> StacAssetError:
    error = ResponseNotFoundError(404, "Not Found", f"https://host/{number}.tif?sig=secret")
    error.owner, error.key = "item 'a: 500 b'", f"k{number}"
    return error


def many() -> list[StacAssetError]:
    return [of_asset(number) for number in range(109)]


# How the classes are made that take more than a text.
_MADE: dict[type[BaseException], Callable[[type[Any]], BaseException]] = {
    AssetOverwriteError: lambda kind: kind(["https://host/a", "https://host/b"], "/data/a"),
    ContentTypeError: lambda kind: kind("text/html", "image/tiff"),
    ResponseError: lambda kind: kind(503, "Service Unavailable", "https://host/a", 3.0, "wait"),
    DownloadError: lambda kind: kind(many(), total=240),
    BatchError: lambda kind: kind([Failed("item 'i'", "k", error) for error in many()]),
    CheckError: lambda kind: kind(
        [Checked("item 'i'", "k", None, False, error=error) for error in many()]
    ),
    VerifyError: lambda kind: kind([f"{number}.tif is missing" for number in range(10)], 109, 240),
}


def error_classes() -> Iterator[type[BaseException]]:
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for found in vars(importlib.import_module(module.name)).values():
                if (
                    isinstance(found, type)
                    and issubclass(found, BaseException)
                    and found.__module__ == module.name
                ):
                    yield found


def made(kind: type[BaseException]) -> BaseException:
    for base in kind.__mro__:
        if base in _MADE:
            return _MADE[base](kind)
    return kind("what failed: 'a'")


_JSON = JSONSerializer()
_COMPRESSED = CompressedJSONSerializer()
COPIES: dict[str, Callable[[BaseException], BaseException]] = {
    "text": lambda error: type(error)(str(error)),
    "json": lambda error: _JSON.loads(_JSON.dumps(error)),
    "compressed json": lambda error: _COMPRESSED.loads(_COMPRESSED.dumps(error)),
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "cloudpickle": lambda error: cloudpickle.loads(cloudpickle.dumps(error)),
    "copy": copy.copy,
}


def test_the_walk_finds_the_classes_of_all_packages() -> None:
    names = {kind.__name__ for kind in error_classes()}
    assert {"StacAssetError", "BatchError", "CheckError", "WorkerError", "StackError"} <= names
    assert {kind.__name__ for kind in _MADE} <= names


def test_copies_of_all_classes_have_the_same_text() -> None:
    copies = COPIES.values()
    for kind in error_classes():
        error = made(kind)
        firsts = [first(error) for first in copies]
        for found in (*firsts, *(second(first) for first in firsts for second in copies)):
            assert type(found) is kind
            assert str(found) == str(error)
            assert repr(found)
            for name in ("count", "total", "status", "actual", "expected"):
                assert getattr(found, name, None) == getattr(error, name, None), kind


def test_counts_of_failed_assets_survive() -> None:
    for count, total in ((1, 1), (1, 240), (10, 10), (109, 240), (109, None)):
        error = DownloadError(many()[:count], total=total)
        found = _JSON.loads(_JSON.dumps(error))
        assert (found.count, found.total) == (count, total)
        assert [str(one) for one in found.exceptions] == [str(one) for one in many()[:count]][:10]
        assert all(isinstance(one, StacAssetError) for one in found.exceptions)


def test_any_text_is_kept_as_it_is() -> None:
    for kind in (DownloadError, VerifyError, BatchError, CheckError):
        for text in ("", "no counts here", "- 3 of 4\n- lines"):
            found = kind(text)
            assert (str(found), found.count) == (text, 0)


async def read_error(state: State[Any]) -> Any:
    """Reads the error of a flow run as another process does: from the server and the storage."""
    async with get_client() as client:
        run = await client.read_flow_run(state.state_details.flow_run_id)  # type: ignore[arg-type]
    assert run.state is not None
    return await run.state.aresult(raise_on_failure=False)


async def test_json_results_state_how_many_assets_failed(origin: Origin, tmp_path: Path) -> None:
    href = make_items(origin, 30, "a", "b")
    for number in range(25):
        origin.remove(f"/{number}/b.tif")
    for run, arguments in (
        (flows.download_item_collection, (href, str(tmp_path), OPTIONS)),
        (flows.check_assets, (href, OPTIONS)),
    ):
        state: State[Any] = await run.with_options(result_serializer="json")(  # type: ignore[attr-defined]
            *arguments, granularity="batch", return_state=True
        )
        error = await read_error(state)
        assert isinstance(error, DownloadError)
        assert (error.count, error.total) == (25, 60)
        assert str(error).startswith("25 of 60 assets failed\n- asset 'b' of item 'item-")
        assert str(error).endswith("\n- and 15 more")


async def test_json_result_of_a_flow_with_a_batch(origin: Origin, tmp_path: Path) -> None:
    planned = transfers(origin, tmp_path, 12)
    for number in range(11):
        origin.remove(f"/{number}.tif")

    @flow(persist_result=True, result_serializer="json")
    async def own(what: str) -> None:
        if what == "batch":
            await flows.download_assets(planned, OPTIONS)  # type: ignore[arg-type]
        if what == "check":
            await flows.check_assets_exist(planned, OPTIONS)  # type: ignore[arg-type]
        await flows.download_asset(planned[0], DownloadOptions(retry_wait=0.01))

    for what, kind in (("batch", BatchError), ("check", CheckError)):
        error = await read_error(await own(what, return_state=True))  # type: ignore[call-overload]
        assert isinstance(error, kind)
        assert (error.count, error.total) == (11, 12)
        assert str(error).startswith("11 of 12 assets failed\n- asset 'k")
    error = await read_error(await own("asset", return_state=True))  # type: ignore[call-overload]
    assert isinstance(error, ResponseNotFoundError)
    assert error.status == 404
    assert str(error).startswith("asset 'k0' of item 'i': 404 Not Found for ")
