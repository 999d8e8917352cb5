"""Internal: the text of the error about a document that cannot be read."""

from __future__ import annotations

import re

from stac_asset.errors import StacAssetError

_FILE = r"File .+? (?=does not exist|cannot be read: )"
"""Start of the errors about local files. The path can be longer than the shown href."""


def unreadable_text(name: str, error: StacAssetError) -> str:
    """Return the text of the error about a document that cannot be read.

    Errors of clients name the href. The text names the href once, at the start.

    Args:
        name: The redacted href of the document.
        error: The error of the client.
    """
    reason, shown = error.message, re.escape(name)
    if found := re.match(rf"{shown} |{_FILE}", reason, re.DOTALL):
        return f"'{name}' {reason[found.end() :]}"
    reason = re.sub(rf" for {shown}(?=: |$)", "", reason, count=1)
    return f"'{name}' cannot be read: {reason}"
