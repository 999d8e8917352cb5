"""Check each JSON schema once.

Prefect checks the parameter schema of a flow whenever a deployment is created, changed or run. The
check takes 0.2 s for a flow of this package, and always has the same result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from prefect.utilities.schema_tools import validation

from tests.support.paths import ROOT

_FOLDER = ROOT / ".pytest_cache" / "d" / f"valid-schemas-{version('jsonschema')}"
"""Folder with an empty file for each valid schema. `pytest --cache-clear` removes the folder."""


def check_schemas_once(folder: Path = _FOLDER) -> None:
    """Let this process and its forks skip the check of schemas that are known to be valid.

    Args:
        folder: The folder of known schemas, which all processes share.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for validator in (Draft202012Validator, validation._VALIDATOR):
        validator.check_schema = partial(check_once, folder, validator.check_schema)


def check_once(folder: Path, check: Callable[..., None], schema: Any, **options: Any) -> None:
    """Check a schema, unless the schema is known to be valid.

    Args:
        folder: The folder of known schemas.
        check: The function that raises an error for an invalid schema.
        schema: The schema.
        options: Further arguments of the function.
    """
    text = json.dumps(schema, sort_keys=True, default=repr)
    known = folder / hashlib.sha256(text.encode()).hexdigest()
    if not known.exists():
        check(schema, **options)
        known.touch()
