"""Internal: values that the commands of a local stack store in its folder.

| value | content |
|---|---|
| `port`, `database` | the port and the database of the server, without the password |
| `file` | the path of the `prefect.yaml` that was passed to `up` |
| `is_stopped` | whether `down` has stopped the stack since the last `up` |
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_NAME = "stack.json"
"""Name of the file with the values."""


def read_state(folder: Path) -> dict[str, Any]:
    """Return the stored values of a stack. The dictionary may be empty.

    Args:
        folder: The folder of the stack.
    """
    state = folder / _NAME
    found: dict[str, Any] = json.loads(state.read_text()) if state.exists() else {}
    return found


def write_state(folder: Path, **values: object) -> None:
    """Replace stored values of a stack. Other values are kept.

    Args:
        folder: The folder of the stack.
        values: The values, by name.
    """
    new = folder / f"{_NAME}.new"
    new.write_text(json.dumps(read_state(folder) | values))
    new.replace(folder / _NAME)
