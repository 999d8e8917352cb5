"""JSON schemas that the processes of the tests check once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, SchemaError

from tests.support.prefect_environment import PREPARED_PYTHON, prefect_environment
from tests.support.schema_checks import check_once

INVALID = {"type": "unknown"}


def test_valid_schema_is_checked_once_and_changed_schema_again(tmp_path: Path) -> None:
    checked: list[Any] = []
    for schema in ({"type": "string"}, {"type": "string"}, {"type": "number"}):
        check_once(tmp_path, checked.append, schema)
    assert checked == [{"type": "string"}, {"type": "number"}]


def test_invalid_schema_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(SchemaError, match="'unknown' is not valid"):
            Draft202012Validator.check_schema(INVALID)


def test_forks_check_schemas_once(tmp_path: Path) -> None:
    code = (
        "from jsonschema import Draft202012Validator as V, SchemaError\n"
        "from prefect.utilities.schema_tools.validation import _VALIDATOR as P\n"
        "from tests.support.schema_checks import check_once\n"
        "assert V.check_schema.func.__name__ == P.check_schema.func.__name__ == 'check_once'\n"
        "for validator in (V, P):\n"
        "    try:\n"
        f"        validator.check_schema({json.dumps(INVALID)})\n"
        "    except SchemaError as error:\n"
        "        print(error.message)\n"
    )
    done = subprocess.run(
        [*PREPARED_PYTHON, "-c", code],
        env=prefect_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["'unknown' is not valid under any of the given schemas"] * 2
