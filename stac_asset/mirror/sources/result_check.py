"""Checks the results of a search against the criteria, and reports results that do not match.

Some servers ignore criteria, or lose them after the first page.
"""

from __future__ import annotations

from collections.abc import Iterable

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.sources.compact_keys import CompactKeys
from stac_asset.mirror.sources.local_filter import mismatch
from stac_asset.notices import notice
from stac_asset.redact import redact_href


class ResultCheck:
    """The results of a search so far.

    Args:
        href: Root of the API.
        criteria: Criteria of the search.
        window: Time window of the search.
    """

    def __init__(self, href: str, criteria: Criteria, window: Window) -> None:
        self._shown = redact_href(href)
        self._criteria = criteria
        self._window = window
        self._accepts_all = criteria.accepts_all and window == Window()
        self.skips_repeated = False
        """Whether the search consists of several searches, which can return the same items."""
        self._seen = CompactKeys()
        self._pages = 0
        self.count = 0
        """Number of accepted results."""
        self.lost_filter = False
        """Whether a page after pages without mismatches has results that do not match.

        Such a server stops to apply the criteria, so that matching items may be missing. A server
        that ignores a criterion from the beginning lists all items.
        """
        self._has_rejected = False

    @property
    def has_accepted(self) -> bool:
        """Whether a result was accepted."""
        return self.count > 0

    def accepted(
        self, items: Iterable[SourceDocument], is_quiet: bool = False
    ) -> list[SourceDocument]:
        """Return the results of a page that match the criteria.

        Args:
            items: The results of a page.
            is_quiet: Whether not to report results that do not match.
        """
        accepted, rejected = [], False
        for item in items:
            if self._accepts_all:
                accepted.append(item)
                continue
            reason = mismatch(item.document, self._criteria, self._window)
            if reason is None:
                accepted.append(item)
                continue
            if is_quiet:
                continue
            rejected = True
            notice(
                f"The API '{self._shown}' returned items that do not match `search.{reason}`, "
                "which are not mirrored",
                _name(item.key),
            )
        new = [item for item in accepted if item.key is None or self._seen.add(item.key)]
        if self.skips_repeated:
            accepted = new
        self.lost_filter |= rejected and self._pages > 0 and not self._has_rejected
        self._has_rejected |= rejected
        self._pages += 1
        self.count += len(accepted)
        return accepted


def _name(key: Key | None) -> str:
    if key is None:
        return ""
    of = f" of collection '{key.collection}'" if key.collection is not None else ""
    return f"item '{key.id}'{of}"
