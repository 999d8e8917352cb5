"""Internal: collect new garbage less often while many objects are created and kept.

By default, Python searches the new objects for garbage whenever there are some hundred more of
them. While pages of items are parsed, or many transfers are in progress, most of these objects are
in use, so the search is in vain.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MIN_NEW_OBJECTS = 10_000
"""First threshold of the garbage collector in the context: a number of new objects."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Search new objects for garbage less often in the context.

    If the caller has disabled the collector, or has set a larger threshold, nothing changes.
    """
    before = gc.get_threshold()
    raised = max(before[0], MIN_NEW_OBJECTS), *before[1:]
    if not gc.isenabled() or not before[0] or raised == before:
        yield
        return
    gc.set_threshold(*raised)
    try:
        yield
    finally:
        if gc.get_threshold() == raised:  # Otherwise the caller has set another value.
            gc.set_threshold(*before)
