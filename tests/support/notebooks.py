"""Execution of notebooks in the process of a test, without a kernel."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any


async def run_notebook(path: Path) -> dict[str, Any]:
    """Run the code cells of a notebook in order, and return the value of the last line of each.

    Args:
        path: The notebook. Cells may have `await` at their top level, as in IPython.

    Returns:
        The values by the id of the cell. A cell whose last line is no expression has no value.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    values = {}
    for cell in json.loads(path.read_bytes())["cells"]:
        if cell["cell_type"] != "code":
            continue
        *body, last = ast.parse("".join(cell["source"]), f"{path.name}:{cell['id']}").body
        if not isinstance(last, ast.Expr):
            body.append(last)
        await _run(ast.Module(body, []), "exec", namespace)
        if isinstance(last, ast.Expr):
            values[cell["id"]] = await _run(ast.Expression(last.value), "eval", namespace)
    return values


async def _run(tree: ast.Module | ast.Expression, mode: str, namespace: dict[str, Any]) -> Any:
    code = compile(tree, "<cell>", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, namespace)
    return await value if inspect.iscoroutine(value) else value
