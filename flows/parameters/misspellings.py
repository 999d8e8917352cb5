"""Patterns of misspelt names for a JSON schema, so that the server answers with the nearest name.

Prefect's server validates the parameters of an API call with the schema of the flow, and knows no
other message about an unknown name than 'was unexpected'. The patterns match names with one wrong,
missing, additional or swapped character. The server answers `'retry_wait' was expected`.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from typing import Any

_MIN_LENGTH = 4
"""Minimum length of a name with a pattern. Shorter names resemble too many other names."""

_WINDOW = 3
"""Number of characters of a name that may differ together. Parts overlap by a character."""

_SHORT = 12
"""Minimum length of a name with parts of `_WINDOW` characters. Shorter names have shorter parts."""


@cache
def misspelling_patterns(names: tuple[str, ...]) -> dict[str, Any]:
    """Return schemas of misspelt names, by regular expression, for `patternProperties`.

    No misspelt name matches two expressions: Prefect would answer with the whole value instead.

    Args:
        names: The valid names.
    """
    found = {}
    for number, name in enumerate(names):
        if len(name) < _MIN_LENGTH:
            continue
        excluded = [name, *(other for other in names if other != name and _matches(name, other))]
        excluded += [
            _misspelt(other)
            for other in names[:number]
            if len(other) >= _MIN_LENGTH and _overlap(name, other)
        ]
        found[f"^(?!(?:{'|'.join(excluded)})$){_misspelt(name)}$"] = {"const": name}
    return found


def _misspelt(name: str, start: int = 0) -> str:
    """Return an expression for misspelt forms of a name, which differ after a position."""
    window = _WINDOW - (len(name) < _SHORT)
    part, rest = name[start : start + window], re.escape(name[start + window :])
    differs = f".{{{len(part) - 1},{len(part) + 1}}}{rest}"
    if len(name) < _SHORT and len(part) > 1:  # One character of the part is left.
        differs = f"(?=.{{0,{window}}}[{part}]){differs}"
    if not rest:
        return differs
    following = start + window - 1
    return f"(?:{differs}|{name[start:following]}{_misspelt(name, following)})"


def _matches(name: str, other: str) -> bool:
    """Return whether the expression of a name may match another name."""
    return abs(len(name) - len(other)) <= 1 and _equal(name, other) >= len(name) - _WINDOW


def _overlap(name: str, other: str) -> bool:
    """Return whether the expressions of two names may match the same misspelt name."""
    longest = max(len(name), len(other))
    return abs(len(name) - len(other)) <= 2 and _equal(name, other) >= longest - 2 * _WINDOW


def _equal(name: str, other: str) -> int:
    """Return the number of equal characters at the start and at the end of two names."""
    start = _same_start(name, other)
    return start + _same_start(name[start:][::-1], other[start:][::-1])


def _same_start(name: str, other: str) -> int:
    pairs = zip(name, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
