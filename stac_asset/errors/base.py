"""Internal: the base classes of all errors.

Some serializers, such as Prefect's JSON serializer, keep only the text of an error and recreate the
error with `type(error)(str(error))`. All classes support this. Classes with other
constructor arguments derive from `DescribedError` and decorate the constructor with `accepts_text`.
The copy has the same text, and the counts or the status from this text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

_P = ParamSpec("_P")


class StacAssetError(Exception):
    """The root of this package's errors.

    Attributes:
        owner: The item or collection whose asset failed, e.g. `item 'S2B_31UFU'`, if any.
        key: The key of the asset that failed, if any.
    """

    owner: str | None = None
    key: str | None = None

    @property
    def message(self) -> str:
        """The text without the asset key and the owner."""
        return str(self.args[0]) if self.args else type(self).__name__

    def __str__(self) -> str:
        text = self.message
        if self.key is not None:
            owner = f" of {self.owner}" if self.owner else ""
            text = f"asset '{self.key}'{owner}: {text}"
        # Ids and keys may contain lone surrogates, which terminals and logs cannot encode.
        return text.encode(errors="backslashreplace").decode()

    def __repr__(self) -> str:
        # Logs of Prefect show errors as `repr`. Arguments may be many nested errors.
        return f"{type(self).__name__}({str(self)!r})"


class DescribedError(StacAssetError):
    """Base class of errors that are created from values other than a text.

    A subclass composes the text from these values in `_describe`, decorates its constructor with
    `accepts_text`, and restores its attributes from a text in `_restore`.
    """

    _text: str | None = None

    @property
    def message(self) -> str:
        """The text without the asset key and the owner."""
        return self._describe() if self._text is None else self._text

    def _describe(self) -> str:
        return super().message

    def _restore(self, text: str) -> None:
        """Set the attributes of a copy that is created from the text of another error."""


def accepts_text(init: Callable[_P, None]) -> Callable[_P, None]:
    """Let the constructor of a `DescribedError` also accept an error's text as the only argument.

    The signature of the constructor does not change.
    """

    @wraps(init)
    def init_or_restore(*args: _P.args, **kwargs: _P.kwargs) -> None:
        error, *values = args
        if isinstance(error, DescribedError) and len(values) == 1 and isinstance(values[0], str):
            error._text = values[0]
            error._restore(values[0])
            error.args = (values[0],)
        else:
            init(*args, **kwargs)

    return init_or_restore
