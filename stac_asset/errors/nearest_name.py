"""Internal: the known name that is most similar to an unknown name, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_name(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a sentence with the known name that is most similar to a name, if any.

    Args:
        name: A name that does not exist.
        known: The names that exist.
        prefix: A prefix to show before the known name.
    """
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" The nearest name is `{prefix}{found[0]}`." if found else ""
