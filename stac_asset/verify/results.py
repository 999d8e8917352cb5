"""What a verification finds of assets, each a value, and their sums.

`Verified`, `Unverifiable` and `Elsewhere` are good as far as can be told; `Missing`, `Wrong` and
`Refused` are bad.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from stac_asset.errors import VerifyError
from stac_asset.redact import redact_href
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import Unreadable

_SHOWN = 100
"""How many bad assets a summary keeps."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that has the checksum that its asset says, and the size if it says one."""

    asset: ExpectedAsset
    path: str
    size: int

    state = "verified"


@dataclass(frozen=True, slots=True)
class Unverifiable:
    """A file that is there, has the size that its asset may say, and no checksum to compare."""

    asset: ExpectedAsset
    path: str
    size: int

    state = "unverifiable"


@dataclass(frozen=True, slots=True)
class NotLocal:
    """An asset that was not downloaded: its href is a URL."""

    asset: ExpectedAsset

    state = "elsewhere"


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that is not there."""

    asset: ExpectedAsset
    path: str
    reason: str = "its file is missing"

    state = "missing"


@dataclass(frozen=True, slots=True)
class Corrupt:
    """A file that is not what its asset says, or cannot be read."""

    asset: ExpectedAsset
    path: str
    reason: str

    state = "wrong"


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """An asset whose file was not looked at: it lies outside, or is no asset."""

    asset: ExpectedAsset
    reason: str

    state = "refused"


Good: TypeAlias = Verified | Unverifiable | NotLocal
Bad: TypeAlias = Missing | Corrupt | OutOfBounds
Verdict: TypeAlias = Good | Bad
"""What was found of one asset."""

VerdictRow: TypeAlias = dict[str, str | int | bool | None]


def is_good(verdict: Verdict) -> bool:
    """Returns whether nothing bad was found of an asset.

    Args:
        verdict: What was found of it.
    """
    return isinstance(verdict, Verified | Unverifiable | NotLocal)


def verdict_row(verdict: Verdict, repaired: bool = False) -> VerdictRow:
    """Returns a verdict as a flat, JSON-able row: the row of the report.

    Args:
        verdict: What was found of an asset in the end.
        repaired: Whether it was downloaded again.
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


@dataclass(slots=True)
class Summary:
    """The sums of all verdicts of a directory."""

    unreadable: tuple[Unreadable, ...] = ()
    """Documents that cannot be read."""

    counts: Counter[str] = field(default_factory=Counter)
    """How many assets there are of each state."""

    repaired: int = 0
    """How many of the good ones were downloaded again."""

    bytes: int = 0
    """Bytes of the good files."""

    first: list[VerdictRow] = field(default_factory=list)
    """The rows of the first bad ones."""

    _errors: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict, repaired: bool = False) -> VerdictRow:
        """Adds what was found of an asset in the end, and returns its row.

        Args:
            verdict: The verdict.
            repaired: Whether it was downloaded again.
        """
        row = verdict_row(verdict, repaired)
        self.counts[verdict.state] += 1
        self.repaired += repaired
        match verdict:
            case Verified() | Unverifiable():
                self.bytes += verdict.size
            case Missing() | Corrupt() | OutOfBounds():
                if len(self.first) < _SHOWN:
                    asset = verdict.asset
                    self.first.append(row)
                    self._errors.append(f"asset '{asset.key}' of {asset.owner}: {verdict.reason}")
        return row

    @property
    def good(self) -> int:
        """How many files are good, as far as can be told."""
        return self.counts["verified"] + self.counts["unverifiable"]

    @property
    def bad(self) -> int:
        """How many files are missing or wrong, unreadable documents included."""
        states = ("missing", "wrong", "refused")
        return sum(self.counts[state] for state in states) + len(self.unreadable)

    @property
    def error(self) -> VerifyError | None:
        """The error that says what is bad, or None."""
        if not self.bad:
            return None
        broken = [f"document {found.path}: {found.reason}" for found in self.unreadable[:_SHOWN]]
        return VerifyError(broken + self._errors, self.bad, self.good + self.bad)

    def __str__(self) -> str:
        total = self.good + self.bad
        repaired = f", {self.repaired} repaired" if self.repaired else ""
        return f"{self.good} of {total} files are good{repaired}{self._unverifiable()}"

    def _unverifiable(self) -> str:
        count = self.counts["unverifiable"]
        return f" ({count} without a checksum to verify)" if count else ""
