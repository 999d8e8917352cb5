"""The verdicts and the summary of a verification.

`Verified`, `Unverifiable` and `NotLocal` are good. `Missing`, `Corrupt` and `OutOfBounds` are bad.
The `state` of each class is its name in reports and results.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from stac_asset.display import Display, Shown
from stac_asset.errors import VerifyError
from stac_asset.redact import redact_href
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import Unreadable

_MAX_LISTED = 100
"""Maximum number of bad assets that a summary lists."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A file with the declared checksum and, if declared, the declared size."""

    asset: ExpectedAsset
    path: str
    size: int

    state = "verified"


@dataclass(frozen=True, slots=True)
class Unverifiable:
    """An existing file without a declared checksum. A declared size matches."""

    asset: ExpectedAsset
    path: str
    size: int

    state = "unverifiable"


@dataclass(frozen=True, slots=True)
class NotLocal:
    """An asset that was not downloaded. The href is a URL."""

    asset: ExpectedAsset

    state = "elsewhere"


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that does not exist."""

    asset: ExpectedAsset
    path: str
    reason: str = "the file is missing"

    state = "missing"


@dataclass(frozen=True, slots=True)
class Corrupt:
    """A file with another size, checksum or kind of content, or a file that cannot be read."""

    asset: ExpectedAsset
    path: str
    reason: str
    is_other_content: bool = False
    """Whether the file is empty or a web page, but matches its declared size and checksum."""

    state = "wrong"


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """An asset that was not checked. The file is outside of the directory, or is a document."""

    asset: ExpectedAsset
    reason: str

    state = "refused"


Good: TypeAlias = Verified | Unverifiable | NotLocal
Bad: TypeAlias = Missing | Corrupt | OutOfBounds
Verdict: TypeAlias = Good | Bad
"""The result of the check of an asset."""

VerdictRow: TypeAlias = dict[str, str | int | bool | None]
"""A row of the report. All values are JSON values."""


def is_good(verdict: Verdict) -> bool:
    """Return whether a verdict is good.

    Args:
        verdict: The verdict of an asset.
    """
    return isinstance(verdict, Verified | Unverifiable | NotLocal)


def verdict_row(verdict: Verdict, repaired: bool = False) -> VerdictRow:
    """Return the row of an asset in the report.

    Args:
        verdict: The final verdict of the asset.
        repaired: Whether the file was downloaded again.
    """
    asset = verdict.asset
    row: VerdictRow = {
        "state": verdict.state,
        "owner": asset.owner,
        "key": asset.key,
        "document": asset.document,
        "href": redact_href(asset.href) if isinstance(asset.href, str) else None,
        "repaired": repaired,
    }
    match verdict:
        case Verified() | Unverifiable():
            row |= {"path": verdict.path, "bytes": verdict.size}
        case Missing() | Corrupt():
            row |= {"path": verdict.path, "reason": verdict.reason}
        case OutOfBounds():
            row |= {"reason": verdict.reason}
    return row


@dataclass(slots=True, repr=False)
class Summary(Display):
    """The counts of all verdicts of a directory, and the first bad assets."""

    unreadable: tuple[Unreadable, ...] = ()
    """The documents and folders that cannot be read."""

    counts: Counter[str] = field(default_factory=Counter)
    """Number of assets of each state."""

    repaired: int = 0
    """Number of good files that were downloaded again."""

    bytes: int = 0
    """Total size of the good files, in bytes."""

    first: list[VerdictRow] = field(default_factory=list)
    """The rows of the first 100 bad assets."""

    _errors: list[str] = field(default_factory=list)
    """Descriptions of the assets in `first`."""

    def add(self, verdict: Verdict, repaired: bool = False) -> VerdictRow:
        """Add a verdict, and return the row of the asset in the report.

        Args:
            verdict: The final verdict of the asset.
            repaired: Whether the file was downloaded again.
        """
        row = verdict_row(verdict, repaired)
        self.counts[verdict.state] += 1
        self.repaired += repaired
        match verdict:
            case Verified() | Unverifiable():
                self.bytes += verdict.size
            case Missing() | Corrupt() | OutOfBounds():
                if len(self.first) < _MAX_LISTED:
                    asset = verdict.asset
                    self.first.append(row)
                    self._errors.append(f"asset '{asset.key}' of {asset.owner}: {verdict.reason}")
        return row

    @property
    def good(self) -> int:
        """Number of existing files without a detected error. URLs are not counted."""
        return self.counts["verified"] + self.counts["unverifiable"]

    @property
    def bad(self) -> int:
        """Number of bad assets and unreadable documents."""
        states = ("missing", "wrong", "refused")
        return sum(self.counts[state] for state in states) + len(self.unreadable)

    @property
    def error(self) -> VerifyError | None:
        """The error that lists the bad files, if any."""
        if not self.bad:
            return None
        broken = [
            f"document {found.path}: {found.reason}" for found in self.unreadable[:_MAX_LISTED]
        ]
        return VerifyError(broken + self._errors, self.bad, self.good + self.bad)

    def _shown(self) -> Shown:
        names = ("state", "owner", "key", "path", "reason")
        rows = (tuple(row.get(name) for name in names) for row in self.first)
        facts = {"unreadable": "; ".join(found.path for found in self.unreadable[:_MAX_LISTED])}
        return Shown(str(self), facts, names, rows, self.bad - len(self.unreadable))

    def __str__(self) -> str:
        total = self.good + self.bad
        repaired = f", {self.repaired} repaired" if self.repaired else ""
        return f"{self.good} of {total} files are good{repaired}{self._unverifiable()}"

    def _unverifiable(self) -> str:
        count = self.counts["unverifiable"]
        return f" ({count} without a checksum to verify)" if count else ""
