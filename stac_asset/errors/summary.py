"""Internal: the error and the warning at the end of a run, with all its failures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from stac_asset.errors.base import DescribedError, StacAssetError, accepts_text

_MAX_LISTED = 10
"""Maximum number of problems that the text of an error lists."""

_COUNTS = re.compile(
    r"(\d+)(?: of (\d+))? (?:assets? failed|files are missing or wrong"
    r"|differences? between the mirror and the source)$"
)
"""The end of the first line of a `DownloadError`, `VerifyError` or `AuditError`."""


class DownloadError(DescribedError):
    """Raised at the end of a run in which assets failed.

    Cure: Look at `exceptions`, correct what they name, and start the run again. Complete files
    are not downloaded again.

    Args:
        exceptions: All errors of the run. The text lists the first ten.
        total: Number of assets of the run, if known.

    Attributes:
        exceptions: All errors of the run. A copy created from a text has a `StacAssetError` for
            each error listed in the text.
        count: Number of assets that failed.
        total: Number of assets of the run, if known.
    """

    @accepts_text
    def __init__(
        self, exceptions: Sequence[Exception], *args: Any, total: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(exceptions, *args)
        self.exceptions: list[Exception] = list(exceptions)
        self.count = len(self.exceptions)
        self.total = total

    def _restore(self, text: str) -> None:
        self.count, self.total, problems = _parse_summary(text)
        self.exceptions = [StacAssetError(problem) for problem in problems]

    def _describe(self) -> str:
        of = f" of {self.total}" if self.total else ""
        first = f"{self.count}{of} asset{'' if (self.total or self.count) == 1 else 's'} failed"
        return _summary(first, self.exceptions, self.count)


class VerifyError(DescribedError):
    """Raised when files of a directory are missing, or differ from the STAC documents.

    Cure: Download the files again with `stac-asset verify --repair`.

    Args:
        problems: Descriptions of at least the first ten bad files.
        count: Number of bad files.
        total: Number of files that the documents declare.
    """

    @accepts_text
    def __init__(self, problems: Sequence[str], count: int = 0, total: int = 0) -> None:
        super().__init__(list(problems), count, total)
        self.problems = list(problems)
        self.count = count
        self.total = total

    def _restore(self, text: str) -> None:
        self.count, total, self.problems = _parse_summary(text)
        self.total = total or 0

    def _describe(self) -> str:
        first = f"{self.count} of {self.total} files are missing or wrong"
        return _summary(first, self.problems, self.count)


class AuditError(DescribedError):
    """Raised when a mirror differs from its source, or the source cannot be read as a whole.

    Cure: Update the mirror with `stac-asset audit --repair`, and run a failed audit again.

    Args:
        problems: Descriptions of at least the first ten differences. If the source did not return
            all items, the reason is first.
        count: Number of differences.
    """

    @accepts_text
    def __init__(self, problems: Sequence[str], count: int = 0) -> None:
        super().__init__(list(problems), count)
        self.problems = list(problems)
        self.count = count

    def _restore(self, text: str) -> None:
        self.count, _, _ = _parse_summary(text)
        self.problems = text.split("\n- ")[1 : _MAX_LISTED + 1]

    def _describe(self) -> str:
        plural = "" if self.count == 1 else "s"
        first = f"{self.count} difference{plural} between the mirror and the source"
        return _summary(first, self.problems, max(self.count, len(self.problems)))


def _summary(first: str, problems: Sequence[object], count: int) -> str:
    """Return a first line, the first ten problems, and the number of further problems."""
    lines = [first, *(f"- {problem}" for problem in problems[:_MAX_LISTED])]
    if count > _MAX_LISTED:
        lines.append(f"- and {count - _MAX_LISTED} more")
    return "\n".join(lines)


def _parse_summary(text: str) -> tuple[int, int | None, list[str]]:
    """Return the number of problems, the total, and the listed problems of a summary."""
    first, *problems = text.split("\n- ")
    counts = _COUNTS.search(first)
    if counts is None:
        return 0, None, []
    count, total = int(counts[1]), counts[2]
    return count, int(total) if total else None, problems[: min(count, _MAX_LISTED)]


class DownloadWarning(Warning):
    """Warning about a failed asset, issued instead of an error if `warn` is set."""
