"""The public names of each package agree with the stub that type checkers read."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import prefect_stac_asset
import stac_asset
from prefect_stac_asset import flows
from tests.support.paths import ROOT

PACKAGES = [stac_asset, flows, prefect_stac_asset]


def names_in_stub(package: ModuleType) -> dict[str, str]:
    """Return the module that each name of the package's stub is imported from."""
    assert package.__file__ is not None
    stub = Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    return {
        alias.name: f"{package.__name__}.{statement.module or alias.name}"
        for statement in ast.parse(stub).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_stub_lists_the_public_names(package: ModuleType) -> None:
    assert sorted(package.__all__) == sorted(names_in_stub(package))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_names_come_from_the_modules_in_the_stub(package: ModuleType) -> None:
    for name, module in names_in_stub(package).items():
        imported = __import__(module, fromlist=[name])
        expected = imported if module == f"{package.__name__}.{name}" else getattr(imported, name)
        assert getattr(package, name) is expected, name


def test_import_of_a_name_parses_no_code() -> None:
    # Python 3.11 can fail to parse code while another thread parses code.
    program = """
import ast

def fail(*arguments, **options):
    raise SystemError("AST constructor recursion depth mismatch")

ast.parse = fail
from stac_asset import Config, blocking, download_item
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
