"""An optional report of rows: newline-delimited JSON, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stac_asset.files import PartFile


class Rows:
    """A file of rows; use it as a context manager, and `finish` it.

    Args:
        path: Where it goes; if None, nothing is written.
    """

    def __init__(self, path: str | None) -> None:
        self.path = Path(path).absolute() if path else None
        self._part: PartFile | None = None

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes a row.

        Args:
            row: JSON-able values.
        """
        if self._part is not None:
            self._part.write(json.dumps(row).encode() + b"\n")

    def finish(self) -> str | None:
        """Gives the file its name, and returns its path, if there is one."""
        if self._part is None:
            return None
        self._part.commit()
        return str(self.path)

    def __enter__(self) -> Self:
        if self.path is not None:
            self._part = PartFile(self.path, self.path.parent, "report", wait=True)
            self._part.start(0, None, None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._part is not None:
            self._part.__exit__(kind, error, trace)
