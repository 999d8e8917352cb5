"""The pages of flows and tasks."""

from __future__ import annotations

import inspect
from typing import Any

from prefect import Flow, Task

from prefect_stac_asset import flows, tasks
from scripts.site_pages.markdown import code, table, text_cell

_FLOWS = """# Flows

Import a flow from `prefect_stac_asset`. A flow is a coroutine function. The title of a parameter is
the title in the run form of Prefect's UI. The fields of `options` are on the page
[Options of a download](options.md).

"""

_TASKS = """# Tasks

Import a task from `prefect_stac_asset` or `prefect_stac_asset.tasks`. The page
[Flows of your own](../own-flows.md) shows a flow that consists of these tasks.

"""


def flow_page() -> str:
    """Return the page of flows."""
    return _FLOWS + "\n".join(
        _section(name, value) for name, value in _public(flows) if isinstance(value, Flow)
    )


def task_page() -> str:
    """Return the page of tasks."""
    return _TASKS + "\n".join(
        f"::: {value.fn.__module__}.{value.fn.__name__}\n    options:\n      heading_level: 2\n"
        for _, value in _public(tasks)
        if isinstance(value, Task)
    )


def _public(module: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(module, name)) for name in sorted(module.__all__)]


def _section(name: str, flow: Flow[..., Any]) -> str:
    description = inspect.cleandoc(flow.fn.__doc__ or "").partition("\nArgs:")[0]
    rows = [
        (
            code(parameter),
            schema.get("title", ""),
            code(repr(schema["default"])) if "default" in schema else "required",
            text_cell(schema.get("description", "")),
        )
        for parameter, schema in flow.parameters.properties.items()
    ]
    columns = ("parameter", "form", "default", "description")
    return f"## {name}\n\nFlow `{flow.name}`. {description.strip()}\n\n{table(columns, rows)}"
