"""Internal: short tracebacks of the errors that public functions raise.

A traceback of an error of this library ends at the line of the caller. The frames of the engine and
of the libraries below would hide the message. Causes are not shown, because the text of the error
contains them. They stay available as `__context__`. The full traceback is logged at the level
DEBUG, by the logger `stac_asset.api.tracebacks`. All other errors keep their tracebacks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from stac_asset.errors import StacAssetError

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ShortTraceback:
    """A context manager that shortens the traceback of an error of this library.

    Frames of the function that uses the context manager are not part of the traceback either.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, StacAssetError):
            logger.debug("Full traceback of the next error", exc_info=error)
            error.__cause__ = None  # Python then does not show `__context__`, which is the cause.
            error.__traceback__ = None


def short_tracebacks(
    function: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Shorten the tracebacks of the errors that a coroutine function raises.

    Args:
        function: A public coroutine function.
    """

    @wraps(function)
    async def shortened(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with ShortTraceback():
            return await function(*args, **kwargs)

    return shortened
