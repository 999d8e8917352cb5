"""The structure of the source: import cycles, sizes, package docstrings, class names."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FOLDERS = ("stac_asset", "prefect_stac_asset", "flows", "blocks", "deployments")


def module_of(path: Path) -> str:
    """Return the name of a module, as code imports it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0].endswith("stac_asset") else ("prefect_stac_asset", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """Return the parsed modules of both packages, by name."""
    # Symlinked folders of `prefect_stac_asset` are not followed.
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {
        module_of(path): ast.parse(path.read_bytes())
        for path in paths
        if not any((ROOT / "prefect_stac_asset" / name) in path.parents for name in FOLDERS)
    }


def imported_modules(name: str, trees: dict[str, ast.Module]) -> set[str]:
    """Return the modules that a module imports, also in functions and for type checkers."""
    found = set()
    for node in ast.walk(trees[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import, which this test does not read"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in trees else str(node.module))
    return found & trees.keys() - {name}


@pytest.fixture(scope="module")
def graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return the modules that each module imports."""
    return {name: imported_modules(name, trees) for name in trees}


def imports_between(package: str, graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the folders and modules of a package that each of its folders and modules imports."""
    depth = package.count(".") + 2
    found = defaultdict(set)
    for module, imported in graph.items():
        for other in imported:
            if module.startswith(f"{package}.") and other.startswith(f"{package}."):
                importer, target = (".".join(n.split(".")[:depth]) for n in (module, other))
                found[importer] |= {target} - {importer}
    return found


def test_modules_have_no_import_cycle(graph: dict[str, set[str]]) -> None:
    assert "stac_asset.config" in graph["stac_asset.api.run"]
    # Imports inside functions count.
    assert (
        "prefect_stac_asset.deployments.local_stack.stack"
        in (graph["prefect_stac_asset.deployments.commands.local_server"])
    )
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"These modules import one another: {' -> '.join(error.args[1])}")


def test_folders_have_no_import_cycle(graph: dict[str, set[str]]) -> None:
    packages = {name.rpartition(".")[0] for name in graph} - {""}
    between = imports_between("prefect_stac_asset.flows", graph)
    assert "prefect_stac_asset.flows.execution" in between["prefect_stac_asset.flows.reporting"]
    for package in sorted(packages):
        try:
            TopologicalSorter(imports_between(package, graph)).prepare()
        except CycleError as error:
            pytest.fail(f"These folders import one another: {' -> '.join(error.args[1])}")


def test_folders_have_few_modules_at_their_top() -> None:
    assert len(list((ROOT / "stac_asset").glob("*.py"))) <= 18
    assert len(list((ROOT / "flows").glob("*.py"))) <= 3


def test_modules_are_short(trees: dict[str, ast.Module]) -> None:
    long = {name: node.body[-1].end_lineno or 0 for name, node in trees.items() if node.body}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def lines_of_body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines without the signature and the docstring.

    Flows and commands have long signatures and docstrings, because they have many parameters.
    """
    first = function.body[0]
    start = first.lineno - 1
    if ast.get_docstring(function, clean=False) is not None:
        start = first.end_lineno or start
    return (function.end_lineno or start) - start


def test_functions_fit_a_screen(trees: dict[str, ast.Module]) -> None:
    lines = {
        f"{module}.{node.name}": lines_of_body(node)
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert lines["prefect_stac_asset.flows.mirror.flow.sync"] > 40
    assert {name: count for name, count in lines.items() if count > 60} == {}


def test_packages_say_in_a_line_what_belongs_there_and_define_no_class(
    trees: dict[str, ast.Module],
) -> None:
    packages = {name for name in trees for other in trees if other.startswith(f"{name}.")}
    for name in packages:
        summary = (ast.get_docstring(trees[name]) or "").partition("\n")[0]
        assert summary.endswith("."), name
        defined = [type(node) for node in trees[name].body if isinstance(node, ast.ClassDef)]
        assert defined == [], name


def test_a_class_name_has_one_meaning(trees: dict[str, ast.Module]) -> None:
    modules = defaultdict(list)
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                modules[node.name.lstrip("_")].append(module)
            elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
                modules[ast.unparse(node.target).lstrip("_")].append(module)
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}


def test_tests_mirror_the_folders_of_the_source() -> None:
    tested = [
        path.parent.relative_to(ROOT / "tests")
        for folder in ("stac_asset", "flows", "blocks", "deployments")
        for path in (ROOT / "tests" / folder).rglob("test_*.py")
    ]
    # Folders `stores` have the tests of object stores, for the modules of the folder above.
    expected = {path.parent if path.name == "stores" else path for path in tested}
    assert {str(path) for path in expected if not (ROOT / path).is_dir()} == set()
