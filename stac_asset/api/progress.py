"""Shows the progress of a download on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stac_asset.transfer.engine import Engine
from stac_asset.types import Transfer


@contextmanager
def shown_progress(engine: Engine, transfers: Sequence[Transfer], is_shown: bool) -> Iterator[None]:
    """Return a context manager that shows a progress bar while an engine runs.

    Args:
        engine: The engine.
        transfers: The transfers of the run.
        is_shown: Show a progress bar. If False, nothing is done.
    """
    if not is_shown:
        yield
        return
    from stac_asset.api.progress_bar import ProgressBar  # Slow to import.

    inner = engine.reporter
    bar = engine.reporter = ProgressBar(inner, transfers)
    try:
        yield
    finally:
        bar.close()
        engine.reporter = inner
