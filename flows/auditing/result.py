"""The result of the flow `audit`.

The class is in a separate module, because Prefect may load the flow from the path of its file. A
result can only be unpickled if its class is in a module that can be imported by name.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from stac_asset.audit.differences import DIFFERENCE_COLUMNS, Kind, shown_differences
from stac_asset.audit.summary import AuditSummary
from stac_asset.display import Display, Shown
from stac_asset.notices import notice_lines


class AuditResult(Display, BaseModel):
    """The result of an audit, as JSON values."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    directory: str
    """Absolute path of the mirror, or URL of a prefix."""

    complete: bool
    """Whether the mirror has all items and assets of the source, in the same version.

    False if the source did not return all items. Extra items and files do not count."""

    found: int
    """Number of items of the source that belong to the mirror."""

    mirrored: int
    """Number of items in the mirror, including those of other sources and searches."""

    unchanged: int
    """Number of items of the source that the mirror has in the same version, with all files."""

    missing: int
    """Number of items, assets and documents that the source has and the mirror does not have."""

    extra: int
    """Number of items and assets of the mirror that left the source."""

    outdated: int
    """Number of items and assets with another version, or other metadata, than the source."""

    corrupt: int
    """Number of files with another size or content than recorded, and of unreadable documents."""

    inconsistent: int
    """Number of files without a record, and of records of items that neither side has."""

    repaired: int
    """Number of differences that were repaired. The other counts do not include them."""

    undecided: int
    """Number of items of the mirror about which the source gave no definite answer."""

    source_complete: bool
    """Whether the source returned all items that match the search."""

    first: list[dict[str, Any]]
    """Report rows of the first 100 remaining differences."""

    report: str | None
    """Location of the report, if requested: newline-delimited JSON with one row per difference."""

    seconds: float
    """Duration of the run, in seconds."""

    notices: list[str] = []
    """Conditions of the audit that are no failures."""

    def _shown(self) -> Shown:
        counts = {kind: getattr(self, kind.value) for kind in Kind}
        parts = [f"{count:,} {kind}" for kind, count in counts.items() if count]
        text = f"{self.unchanged:,} of {self.found:,} items of the source are up to date"
        facts = {
            "directory": self.directory,
            "complete": self.complete,
            "repaired": self.repaired,
            "report": self.report,
            "notices": "; ".join(self.notices),
        }
        return Shown(
            f"{text}; {', '.join(parts) or 'no differences'}",
            facts,
            DIFFERENCE_COLUMNS,
            shown_differences(self.first),
            sum(counts.values()),
        )

    @classmethod
    def of(cls, directory: str, summary: AuditSummary, report: str | None, seconds: float) -> Self:
        """Return the result of an audit.

        Args:
            directory: The absolute location of the mirror.
            summary: The summary of the audit.
            report: The absolute location of the report, if any.
            seconds: Duration of the run, in seconds.
        """
        return cls(
            directory=directory,
            complete=summary.complete,
            found=summary.found,
            mirrored=summary.mirrored,
            unchanged=summary.unchanged,
            **{kind.value: summary.counts[kind] for kind in Kind},
            repaired=summary.repaired,
            undecided=summary.undecided,
            source_complete=summary.is_source_complete,
            first=[dict(row) for row in summary.first],
            report=report,
            seconds=round(seconds, 3),
            notices=notice_lines(),
        )
