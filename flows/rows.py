"""An optional report of rows: newline-delimited JSON, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows.outputs import OutputFile


class Rows:
    """A file of rows; use it as a context manager, and `finish` it.

    Args:
        path: Where it goes; if None, nothing is written.
    """

    def __init__(self, path: str | None) -> None:
        place = Path(path).absolute() if path else None
        self._file = OutputFile(place, place.parent) if place else None

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes a row.

        Args:
            row: JSON-able values.
        """
        if self._file is not None:
            self._file.write(json.dumps(row).encode() + b"\n")

    def finish(self) -> str | None:
        """Gives the file its name, and returns its path, if there is one."""
        if self._file is None:
            return None
        self._file.commit()
        return str(self._file.path)

    def __enter__(self) -> Self:
        if self._file is not None:
            self._file.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.__exit__(kind, error, trace)
