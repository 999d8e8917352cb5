"""The result of the flow `verify`.

The class is in a separate module, because Prefect may load the flow from the path of its file. A
result can only be unpickled if its class is in a module that can be imported by name.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from stac_asset.display import Display, Shown


class VerifyResult(Display, BaseModel):
    """The result of a verification, as JSON values."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    directory: str
    """Absolute path of the directory."""

    documents: int
    """Number of STAC documents in the directory."""

    verified: int
    """Number of files with the declared checksum."""

    unverifiable: int
    """Number of existing files without a declared checksum. A declared size matches."""

    missing: int
    """Number of files that do not exist."""

    wrong: int
    """Number of files that differ from the declared size or checksum, or cannot be read."""

    refused: int
    """Number of unchecked assets: the file is outside of the directory, or is a document."""

    elsewhere: int
    """Number of assets that were not downloaded. The href of each is a URL."""

    repaired: int
    """Number of bad files that are good after the repair."""

    bytes: int
    """Total size of the good files, in bytes."""

    bad: list[dict[str, Any]]
    """Report rows of the first 100 missing, wrong or refused assets."""

    unreadable: list[str]
    """Paths of the first 100 documents and folders that cannot be read."""

    leftovers: list[str]
    """Paths of the first 100 part files and resume notes of interrupted downloads."""

    unknown: list[str] = []
    """Paths of the first 100 files in mirrors that no record of the mirror names."""

    unknown_removed: int = 0
    """Number of such files that were removed, with `remove_unknown`."""

    report: str | None
    """Path of the report, if requested: newline-delimited JSON with one row per asset."""

    seconds: float
    """Duration of the run, in seconds."""

    def _shown(self) -> Shown:
        bad = self.missing + self.wrong + self.refused
        good = self.verified + self.unverifiable
        names = ("state", "owner", "key", "path", "reason")
        rows = (tuple(row.get(name) for name in names) for row in self.bad)
        facts = {"directory": self.directory, "repaired": self.repaired, "report": self.report}
        return Shown(f"{good:,} of {good + bad:,} files are good", facts, names, rows, bad)
