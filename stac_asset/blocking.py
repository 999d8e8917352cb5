"""Blocking versions of the public coroutines.

Use these functions only from fully synchronous code. In a running event loop they raise
`RunningLoopError`. If you have _any_ async code in your application, prefer the top-level
functions. Each call runs in a new event loop, so clients with a session of another event loop
cannot be passed. Configure clients with `Config` instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from stac_asset.api import assets, collections
from stac_asset.api.tracebacks import ShortTraceback
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
    """Return a blocking version of a coroutine function."""
    name = function.__name__

    @wraps(function)
    def blocking(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if _in_event_loop():
            raise RunningLoopError(
                f"blocking.{name} was called in a running event loop and would block the loop. "
                f"Use 'await stac_asset.{name}(...)' instead."
            )
        with ShortTraceback(), new_runner() as runner:
            return runner.run(function(*args, **kwargs))

    blocking.__module__ = __name__
    return blocking


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


assert_asset_exists = _blocking(assets.assert_asset_exists)
asset_exists = _blocking(assets.asset_exists)
download_asset = _blocking(assets.download_asset)
download_collection = _blocking(collections.download_collection)
download_file = _blocking(assets.download_file)
download_item = _blocking(collections.download_item)
download_item_collection = _blocking(collections.download_item_collection)
plan_collection = _blocking(collections.plan_collection)
plan_item = _blocking(collections.plan_item)
plan_item_collection = _blocking(collections.plan_item_collection)
read_href = _blocking(assets.read_href)
