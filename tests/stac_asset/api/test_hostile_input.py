"""Any document: all paths stay in the directory, and only documented errors are raised."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pystac
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stac_asset import Config, ErrorStrategy
from stac_asset.api.run import Run
from stac_asset.config import selects
from stac_asset.errors import (
    AssetOverwriteError,
    ConfigError,
    NoAssetsError,
    SourceError,
    UnsafePathError,
)
from stac_asset.hrefs import absolute_href, is_missing, local_path
from stac_asset.plan.owners import Owner
from stac_asset.plan.planner import Planner
from stac_asset.rewrite.rewriter import rewrite, rewrite_collection
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import Stac, load_stac, stac_of
from stac_asset.types import Failed, Outcome, Transfer, outcomes_per_asset
from tests.support.planning import (
    DIRECTORY,
    check_path,
    check_plan,
    check_sources,
    outcome_of,
    owners_of,
    plan,
    result_or_none,
)
from tests.support.pystac_snapshots import snapshot
from tests.support.strategies import (
    DOCUMENT_HREFS,
    DOCUMENTS,
    bases,
    configs,
    documents,
    file_names,
    fuzz,
    hrefs,
    templates,
    texts,
    values,
)


def check_rewritten(
    new: Owner, owner: Owner, outcomes: list[Outcome], document: Path | None, run: Run, keep: bool
) -> None:
    """Check that the rewritten object agrees with the plan and the outcomes."""
    expected = {
        key: None
        for key, asset in owner.assets.items()
        if keep or (is_missing(asset.href) and selects(run.config, key, asset))
    }
    for outcome in outcomes:
        if not isinstance(outcome, Failed):
            expected[outcome.transfer.key] = None
        elif run.config.error_strategy is ErrorStrategy.KEEP:
            expected[outcome.key] = None
        else:
            expected.pop(outcome.key, None)
    assert set(new.assets) == set(expected)
    for outcome in outcomes:
        if not isinstance(outcome, Failed):
            href = new.assets[outcome.transfer.key].href
            resolved = local_path(absolute_href(href, str(document) if document else None))
            assert os.path.normpath(resolved) == outcome.candidate.path
    assert new.get_self_href() == (str(document) if document else None)
    assert new.id == owner.id


PLAN_ERRORS = (UnsafePathError, AssetOverwriteError, NoAssetsError, ConfigError)


@fuzz(300)
@given(
    document=documents(),
    base=bases,
    config=configs,
    template=templates,
    file_name=file_names,
    keep=st.booleans(),
    choices=st.lists(st.integers(0, 9), min_size=1, max_size=4),
)
def test_any_document_is_planned_and_rewritten(
    document: dict[str, Any],
    base: str | None,
    config: Config,
    template: str | None,
    file_name: str | None,
    keep: bool,
    choices: list[int],
) -> None:
    source = copy.deepcopy(document)
    stac = result_or_none(lambda: stac_of(document, base, "document"), SourceError)
    assert document == source
    if stac is None:
        return
    owners = owners_of(stac)
    before = [snapshot(owner) for owner in owners]
    run = Run(DIRECTORY, config)
    work = result_or_none(lambda: plan(run, stac, file_name, template), *PLAN_ERRORS)
    if work is not None:
        if isinstance(stac, pystac.ItemCollection):
            owners = list(work.items)
            before = [snapshot(owner) for owner in owners]
        check_plan(work, owners, Planner(DIRECTORY, config, LOCAL_FACTS))
        outcomes = [
            [
                outcome
                for n, entry in enumerate(planned)
                for outcome in outcomes_per_asset(outcome_of(entry, choices[n % len(choices)]))
            ]
            for planned in work.planned
        ]
        path = None if isinstance(stac, pystac.ItemCollection) else work.document
        new = [
            rewrite(owner, found, run.config, path, keep)
            for owner, found in zip(owners, outcomes, strict=True)
        ]
        for rewritten, owner, found in zip(new, owners, outcomes, strict=True):
            check_rewritten(rewritten, owner, found, path, run, keep)
        result: Stac = (
            new[0]
            if not isinstance(stac, pystac.ItemCollection)
            else (rewrite_collection(stac, [item for item in new if isinstance(item, pystac.Item)]))
        )
        written = json_bytes(document_of(result))
        written.decode()
        stac_of(json.loads(written), str(path or DIRECTORY / "written.json"), "written")
    assert [snapshot(owner) for owner in owners] == before


@fuzz(300)
@given(
    key=texts,
    href=st.one_of(hrefs, values),
    base=st.sampled_from(DOCUMENT_HREFS[:3]),
    config=configs,
)
@example("a", " file:///etc/passwd", DOCUMENT_HREFS[0], Config())
@example("a", "fi\nle:///etc/passwd", DOCUMENT_HREFS[0], Config())
@example("a", "\\\\?\\C:\\x", DOCUMENT_HREFS[2], Config())
def test_any_asset_of_remote_item_stays_in_directory(
    key: str, href: Any, base: str, config: Config
) -> None:
    config.allow_local_hrefs = None
    document = {**DOCUMENTS["item"], "assets": {key: {"href": href}}}
    item = stac_of(document, base, "document")
    assert isinstance(item, pystac.Item)
    planned = Planner(DIRECTORY, config, LOCAL_FACTS).asset(key, item.assets[key], item)
    if isinstance(planned, Transfer):
        check_path(planned.path)
        assert Path(planned.path).parent == DIRECTORY
        check_sources(planned, item, config)


def nested_item(depth: int) -> str:
    """Return an item document with nested lists."""
    return json.dumps(DOCUMENTS["item"] | {"more": 0})[:-2] + "[" * depth + "]" * depth + "}"


def test_deeply_nested_document_raises_source_error(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_text(nested_item(100_000))
    with pytest.raises(SourceError, match="is not valid JSON"):
        load_stac(path)
    path.write_text(nested_item(200))
    item = load_stac(path)
    assert isinstance(item, pystac.Item)
    run = Run(tmp_path)
    work = run.planner.plan_item(item)
    new = rewrite(item, [outcome_of(entry, 0) for entry in work], run.config, work.document)
    assert json.loads(json_bytes(document_of(new)))["more"] == item.extra_fields["more"]
