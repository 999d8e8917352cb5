"""Plans of STAC objects, possible outcomes, and checks of both."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pystac

from stac_asset import Config
from stac_asset.api.run import Run
from stac_asset.clients.route_table import route
from stac_asset.errors import HrefError, NotFoundError, StacAssetError
from stac_asset.hrefs import is_local, parse_href
from stac_asset.plan.owners import Owner
from stac_asset.plan.planner import Planner
from stac_asset.plan.shared_files import source_digest
from stac_asset.plan.work import PlannedRun
from stac_asset.stac.parse import Stac
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, Transfer, outcome_row

_T = TypeVar("_T")

DIRECTORY = Path("/nowhere/destination")
"""A directory that does not exist."""


def outcome_of(entry: Transfer | Failed, choice: int) -> Outcome:
    """Return a possible outcome of a planned asset, selected by a number."""
    if isinstance(entry, Failed):
        return entry
    candidate = entry.candidates[choice % len(entry.candidates)]
    match choice % 3:
        case 0:
            return Downloaded(entry, candidate, 3, 3, 0.1, checksum="1220" + "5" * 64)
        case 1:
            return Skipped(entry, candidate, 3)
        case _:
            return Failed(entry.owner, entry.key, NotFoundError("gone"), entry)


def check_path(path: str) -> None:
    """Check that a path is in `DIRECTORY` and valid on all common file systems."""
    assert os.path.normpath(path) == path
    assert path.startswith(f"{DIRECTORY}/")
    assert os.path.realpath(path).startswith(f"{DIRECTORY}/")
    for part in Path(path).relative_to(DIRECTORY).parts:
        assert part not in ("", ".", "..")
        assert not set(part) & set("/\\\0\n\r\x1b\x7f\x85")
        assert len(part.encode()) <= 255
        assert not re.fullmatch(r"\..*\.part(\.json)?", part, re.IGNORECASE)


def check_plan(work: PlannedRun, owners: list[Owner], planner: Planner) -> None:
    """Check that a plan has all selected assets, and that all sources have distinct paths."""
    sources: dict[str, int] = {}
    for owner, planned in zip(owners, work.planned, strict=True):
        keys = [key for entry in planned for key in (entry.key, *shared_keys(entry))]
        assert sorted(keys) == sorted(key for key, _ in planner.selected(owner))
        for entry in planned:
            json.dumps(outcome_row(outcome_of(entry, 2)))
            str(outcome_of(entry, 2)).encode(errors="surrogatepass")
            if isinstance(entry, Failed):
                str(entry.error).encode()
                continue
            paths = {candidate.path for candidate in entry.candidates}
            for path in paths:
                check_path(path)
            for path in paths:
                place = unicodedata.normalize("NFC", path).casefold()
                assert sources.setdefault(place, source_digest(entry)) == source_digest(entry)
            check_sources(entry, owner, planner.config)
    if work.document is not None:
        assert str(work.document).startswith(f"{DIRECTORY}/")
        assert str(work.document).casefold() not in sources


def shared_keys(entry: Transfer | Failed) -> tuple[str, ...]:
    """Return the keys of the other assets that share the file of a transfer."""
    return entry.shared_with if isinstance(entry, Transfer) else ()


def check_sources(transfer: Transfer, owner: Owner, config: Config) -> None:
    """Check that local files are candidates only if allowed."""
    base = owner.get_self_href()
    allowed = config.allow_local_hrefs
    if allowed is None:
        allowed = base is not None and is_local(base)
    for candidate in transfer.candidates:
        assert allowed or not is_local(candidate.href)
        url = result_or_none(lambda href=candidate.href: parse_href(href), HrefError)
        assert allowed or url is None or route(url) != "filesystem"


def result_or_none(call: Callable[[], _T], *kinds: type[Exception]) -> _T | None:
    """Call a function. Return the result, or `None` if a documented error is raised."""
    try:
        return call()
    except kinds as error:
        if isinstance(error, StacAssetError):
            str(error).encode()
        return None


def plan(run: Run, stac: Stac, file_name: str | None, template: str | None = None) -> PlannedRun:
    """Return the plan of an item, collection or item collection."""
    if isinstance(stac, pystac.ItemCollection):
        return run.planner.plan_item_collection(stac, file_name, template)
    if isinstance(stac, pystac.Collection):
        return run.planner.plan_collection(stac, file_name)
    return run.planner.plan_item(stac, file_name)


def owners_of(stac: Stac) -> list[Owner]:
    """Return the items of an item collection, or the single object."""
    return list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]
