"""Copies of errors by pickle, by `copy`, and by Prefect's JSON, which keeps only the text."""

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
    AuditError,
    ContentTypeError,
    DownloadError,
    ResponseError,
    ResponseNotFoundError,
    StacAssetError,
    VerifyError,
)
from stac_asset.testing import Origin
from stac_asset.types import Failed
from tests.support.flow_inputs import OPTIONS, make_transfers, put_item_collection

_PACKAGES = (stac_asset, blocks, deployments, flows)


def make_asset_error(number: int) -> StacAssetError:
    error = ResponseNotFoundError(404, "Not Found", f"https://host/{number}.tif?sig=secret")
    error.owner, error.key = "item 'a: 500 b'", f"k{number}"
    return error


def make_asset_errors() -> list[StacAssetError]:
    return [make_asset_error(number) for number in range(109)]


# Constructors of the error classes whose arguments are not a single text.
_FACTORIES: dict[type[BaseException], Callable[[type[Any]], BaseException]] = {
    AssetOverwriteError: lambda kind: kind(["https://host/a", "https://host/b"], "/data/a"),
    ContentTypeError: lambda kind: kind("text/html", "image/tiff"),
    ResponseError: lambda kind: kind(503, "Service Unavailable", "https://host/a", 3.0, "wait"),
    DownloadError: lambda kind: kind(make_asset_errors(), total=240),
    BatchError: lambda kind: kind(
        [Failed("item 'i'", "k", error) for error in make_asset_errors()]
    ),
    CheckError: lambda kind: kind(
        [Checked("item 'i'", "k", None, False, error=error) for error in make_asset_errors()]
    ),
    VerifyError: lambda kind: kind([f"{number}.tif is missing" for number in range(10)], 109, 240),
    AuditError: lambda kind: kind([f"item '{number}' is missing" for number in range(10)], 109),
}


def find_error_classes() -> Iterator[type[BaseException]]:
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


def make_error(kind: type[BaseException]) -> BaseException:
    for base in kind.__mro__:
        if base in _FACTORIES:
            return _FACTORIES[base](kind)
    return kind("check of asset 'a' failed")


_JSON = JSONSerializer()
_COMPRESSED = CompressedJSONSerializer()
COPY_METHODS: dict[str, Callable[[BaseException], BaseException]] = {
    "text": lambda error: type(error)(str(error)),
    "json": lambda error: _JSON.loads(_JSON.dumps(error)),
    "compressed json": lambda error: _COMPRESSED.loads(_COMPRESSED.dumps(error)),
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "cloudpickle": lambda error: cloudpickle.loads(cloudpickle.dumps(error)),
    "copy": copy.copy,
}


def test_error_classes_of_all_packages_are_collected() -> None:
    names = {kind.__name__ for kind in find_error_classes()}
    assert {"StacAssetError", "BatchError", "CheckError", "WorkerError", "StackError"} <= names
    assert {kind.__name__ for kind in _FACTORIES} <= names


def test_copied_errors_keep_text_and_attributes() -> None:
    copies = COPY_METHODS.values()
    for kind in find_error_classes():
        error = make_error(kind)
        firsts = [first(error) for first in copies]
        for copied in (*firsts, *(second(first) for first in firsts for second in copies)):
            assert type(copied) is kind
            assert str(copied) == str(error)
            assert repr(copied)
            for name in ("count", "total", "status", "actual", "expected"):
                assert getattr(copied, name, None) == getattr(error, name, None), kind


def test_json_copies_keep_failure_counts() -> None:
    for count, total in ((1, 1), (1, 240), (10, 10), (109, 240), (109, None)):
        error = DownloadError(make_asset_errors()[:count], total=total)
        copied = _JSON.loads(_JSON.dumps(error))
        assert (copied.count, copied.total) == (count, total)
        expected = [str(asset_error) for asset_error in make_asset_errors()[:count]][:10]
        assert [str(asset_error) for asset_error in copied.exceptions] == expected
        assert all(isinstance(asset_error, StacAssetError) for asset_error in copied.exceptions)


def test_errors_created_from_text_keep_the_text() -> None:
    for kind in (DownloadError, VerifyError, AuditError, BatchError, CheckError):
        for text in ("", "no counts here", "- 3 of 4\n- lines"):
            error = kind(text)
            assert (str(error), error.count) == (text, 0)


async def read_error(state: State[Any]) -> Any:
    """Read the error of a flow run from the server and the result storage."""
    async with get_client() as client:
        run = await client.read_flow_run(state.state_details.flow_run_id)  # type: ignore[arg-type]
    assert run.state is not None
    return await run.state.aresult(raise_on_failure=False)


async def test_json_flow_results_keep_failure_counts(origin: Origin, tmp_path: Path) -> None:
    href = put_item_collection(origin, 30, "a", "b")
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


async def test_json_results_of_user_flow_keep_batch_errors(origin: Origin, tmp_path: Path) -> None:
    planned = make_transfers(origin, tmp_path, 12)
    for number in range(11):
        origin.remove(f"/{number}.tif")

    @flow(persist_result=True, result_serializer="json")
    async def user_flow(step: str) -> None:
        if step == "batch":
            await flows.download_assets(planned, OPTIONS)  # type: ignore[arg-type]
        if step == "check":
            await flows.check_assets_exist(planned, OPTIONS)  # type: ignore[arg-type]
        await flows.download_asset(planned[0], DownloadOptions(retry_wait=0.01))

    for step, kind in (("batch", BatchError), ("check", CheckError)):
        error = await read_error(await user_flow(step, return_state=True))  # type: ignore[call-overload]
        assert isinstance(error, kind)
        assert (error.count, error.total) == (11, 12)
        assert str(error).startswith("11 of 12 assets failed\n- asset 'k")
    error = await read_error(await user_flow("asset", return_state=True))  # type: ignore[call-overload]
    assert isinstance(error, ResponseNotFoundError)
    assert error.status == 404
    assert str(error).startswith("asset 'k0' of item 'i': 404 Not Found for ")
