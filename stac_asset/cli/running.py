"""Runs the coroutine of a command."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from stac_asset.cli.interrupts import clean_up_on_interrupt

_T = TypeVar("_T")


def run(command: Coroutine[Any, Any, _T]) -> _T:
    """Run a command in a new event loop, and print notices on standard error.

    Args:
        command: The coroutine.
    """
    from stac_asset.cli.library_logs import show_library_logs
    from stac_asset.concurrency import new_runner
    from stac_asset.notices import collect_notices

    clean_up_on_interrupt()
    context = click.get_current_context(silent=True)
    level = context.find_root().params.get("verbosity") if context is not None else None
    show_library_logs(level or "WARNING")
    with collect_notices(), new_runner() as runner:
        return runner.run(command)
