"""The result of the flow `verify`.

The class is in a separate module, because Prefect may load the flow by the path of its file. The
class of a pickled result must have an importable name even then.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class VerifyResult(BaseModel):
    """The counts of a verification, as JSON values."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    directory: str
    """The absolute path of the directory."""

    documents: int
    """Number of STAC documents in the directory."""

    verified: int
    """Number of files with the declared checksum."""

    unverifiable: int
    """Number of existing files without a declared checksum."""

    missing: int
    """Number of files that do not exist."""

    wrong: int
    """Number of files that differ from the declared size or checksum, or cannot be read."""

    refused: int
    """Number of assets not checked: the files are outside of the directory, or documents."""

    elsewhere: int
    """Number of assets that were not downloaded. The hrefs are URLs."""

    repaired: int
    """Number of good files that were downloaded again."""

    bytes: int
    """Total size of the good files, in bytes."""

    bad: list[dict[str, Any]]
    """The report rows of the first 100 missing, wrong or refused assets."""

    unreadable: list[str]
    """The paths of the first 100 documents and folders that cannot be read."""

    leftovers: list[str]
    """The paths of the first 100 part files and resume notes of interrupted downloads."""

    report: str | None
    """The location of the requested report: newline-delimited JSON with a row for each asset."""

    seconds: float
    """Duration of the run, in seconds."""
