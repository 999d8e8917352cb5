"""Internal: pictures of the flows of this package, for `flow.visualize()`.

Prefect runs the code of a flow to find its tasks. The flows of this package would then read sources
and write files, so each declares its steps, and the code does not run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.utilities.visualization import TaskVizTracker


def show_steps(name: str, steps: Sequence[str]) -> None:
    """Write a picture of the steps of a flow to the file `<name>.png`, and open the file.

    Args:
        name: The name of the flow.
        steps: The names of the tasks, each of which depends on the one before.

    Raises:
        GraphvizExecutableNotFoundError: The program `dot` of Graphviz is not installed.
    """
    from prefect.utilities.visualization import build_task_dependencies, visualize_task_dependencies

    with _tracked(steps) as tracker:
        visualize_task_dependencies(build_task_dependencies(tracker), name)


def mermaid_steps(steps: Sequence[str]) -> str:
    """Return the steps of a flow as a Mermaid flowchart.

    Args:
        steps: The names of the tasks, each of which depends on the one before.
    """
    from prefect.utilities.visualization import build_mermaid_dependencies

    with _tracked(steps) as tracker:
        return build_mermaid_dependencies(tracker)


def is_drawn() -> bool:
    """Return whether Prefect draws the current flow without a run."""
    from prefect.utilities.visualization import get_task_viz_tracker

    return get_task_viz_tracker() is not None


@contextmanager
def _tracked(steps: Sequence[str]) -> Iterator[TaskVizTracker]:
    """Yield a tracker of tasks that contains the steps."""
    # Prefect imports graphviz here, which few processes need.
    from prefect.utilities.visualization import TaskVizTracker, VizTask

    with TaskVizTracker() as tracker:  # type: ignore[no-untyped-call]
        for name in steps:
            tracker.add_task(VizTask(name, tracker.tasks[-1:]))
        yield tracker
