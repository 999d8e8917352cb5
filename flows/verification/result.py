"""The result of the flow `verify`.

The class has a module of its own. If Prefect loads the flow by the path of its file, the class of
its pickled result is still found.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class VerifyResult(BaseModel):
    """What a verification found: small, and JSON-able."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    directory: str
    """The absolute path of the directory."""

    documents: int
    """How many STAC documents it holds."""

    verified: int
    """How many files have the checksum that their assets say."""

    unverifiable: int
    """How many are there, and have no checksum to be verified by."""

    missing: int
    """How many are not there."""

    wrong: int
    """How many are not what their assets say."""

    refused: int
    """How many assets were not looked at, since they lie outside of the directory."""

    elsewhere: int
    """How many assets have a URL, and were not downloaded."""

    repaired: int
    """How many of the good files were downloaded again."""

    bytes: int
    """Bytes of the good files."""

    bad: list[dict[str, Any]]
    """The rows of the first hundred that are missing, wrong or refused."""

    unreadable: list[str]
    """The first hundred documents that cannot be read."""

    leftovers: list[str]
    """The first hundred part files of downloads that did not come to their end."""

    report: str | None
    """The full report, if one was wanted: newline-delimited JSON, a row an asset."""

    seconds: float
    """Wall time of the run."""
