"""Internal: keep the garbage collector away from the objects of a plan.

A run keeps its items and transfers until its end. Without `frozen_heap`, each full collection
visits all of them and finds no garbage. In a run over 5,000 small files, this takes 4 % of the
processor time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_heap() -> Iterator[None]:
    """Exclude all present objects from garbage collection in the context.

    Objects that are created in the context are collected as usual. Garbage of other objects is
    collected after the context, if it has reference cycles. If the caller or another run has frozen
    objects, or collects no garbage, nothing changes.
    """
    if not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
