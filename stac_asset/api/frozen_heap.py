"""Internal: keep the garbage collector away from the objects of a large plan.

A run keeps its items and transfers until its end. Without `frozen_heap`, each full collection
visits all of them and finds no garbage. In a run over 5,000 small files, this takes 4 % of the
processor time. In a flow, the collections visit Prefect's objects too, and take 13 %.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MIN_TRANSFERS = 1000
"""Number of transfers from which a run freezes the heap.

`gc.get_freeze_count` visits all frozen objects. If the caller or another run has frozen a large
heap, the call takes longer than the download of a small file.
"""


@contextmanager
def frozen_heap(transfers: int) -> Iterator[None]:
    """Exclude all present objects from garbage collection in the context of a large run.

    Objects that are created in the context are collected as usual. Garbage of other objects is
    collected after the context, if it has reference cycles. If the run is small, if the caller or
    another run has frozen objects, or if the caller has disabled the collector, nothing changes.

    Args:
        transfers: Number of transfers of the run.
    """
    if transfers < MIN_TRANSFERS or not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
