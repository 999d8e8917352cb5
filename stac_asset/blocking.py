"""Blocking interfaces for functions.

These should only be used from fully synchronous code: in a running event loop they raise
`RunningLoopError`. If you have _any_ async code in your application, prefer the top-level
functions. Each call has an event loop of its own, so clients that hold a session of another loop
are of no use here; let the `Config` say what clients need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from stac_asset.api import assets as read
from stac_asset.api import collections as api
from stac_asset.concurrency import new_runner
from stac_asset.errors import RunningLoopError

__all__ = [
    "assert_asset_exists",
    "asset_exists",
    "download_asset",
    "download_collection",
    "download_file",
    "download_item",
    "download_item_collection",
    "plan_collection",
    "plan_item",
    "plan_item_collection",
    "read_href",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _blocking(function: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, _T]:
    """Returns a coroutine function as one that blocks until its result is there."""
    name = function.__name__

    @wraps(function)
    def blocking(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if _in_a_loop():
            raise RunningLoopError(
                f"blocking.{name} was called in a running event loop, which it would block: "
                f"write 'await stac_asset.{name}(...)' instead"
            )
        with new_runner() as runner:
            return runner.run(function(*args, **kwargs))

    blocking.__module__ = __name__
    return blocking


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


assert_asset_exists = _blocking(read.assert_asset_exists)
asset_exists = _blocking(read.asset_exists)
download_asset = _blocking(read.download_asset)
download_collection = _blocking(api.download_collection)
download_file = _blocking(read.download_file)
download_item = _blocking(api.download_item)
download_item_collection = _blocking(api.download_item_collection)
plan_collection = _blocking(api.plan_collection)
plan_item = _blocking(api.plan_item)
plan_item_collection = _blocking(api.plan_item_collection)
read_href = _blocking(read.read_href)
