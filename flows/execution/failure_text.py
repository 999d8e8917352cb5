"""Internal: the text of a failed asset, with the asset, the host and advice."""

from __future__ import annotations

import inspect
import re

from yarl import URL

from stac_asset.redact import redact_text
from stac_asset.types import Transfer

_MAX_LENGTH = 1000
"""Maximum length of the line, in characters, without the advice."""

_CURE = re.compile(r"^Cure: (.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_INSTRUCTION = re.compile(r"\. [A-Z]")
"""A second sentence in the text of an error, which is advice already."""


def failure_line(error: Exception, owner: str, key: str, transfer: Transfer | None = None) -> str:
    """Return a line about a failed asset, without secrets.

    Args:
        error: The error of the asset.
        owner: The name of the asset's item or collection.
        key: The key of the asset, or an empty string for a document.
        transfer: The planned download of the asset, if any.
    """
    text = str(error)
    if key and getattr(error, "key", None) is None:
        text = f"asset '{key}' of {owner}: {text}"
    line = " ".join(redact_text(text).split())[:_MAX_LENGTH]
    host = _host(transfer)
    if host and host not in line:
        line += f" (host {host})"
    return with_advice(line, error)


def with_advice(line: str, error: Exception) -> str:
    """Return a line with the advice of the error's class, unless the line has an instruction.

    Args:
        line: A text about the error.
        error: The error.
    """
    cure = "" if _INSTRUCTION.search(line) else _cure(type(error))
    return f"{line.rstrip('.')}. {cure}" if cure else line


def _cure(kind: type[Exception]) -> str:
    """Return the advice of an error class, or of its first base class with advice."""
    for base in kind.__mro__:
        found = _CURE.search(inspect.cleandoc(base.__doc__ or ""))
        if found is not None:
            return "" if found[1].startswith("See ") else " ".join(found[1].split())
    return ""


def _host(transfer: Transfer | None) -> str | None:
    try:
        return URL(transfer.href).host if transfer is not None else None
    except ValueError:
        return None
