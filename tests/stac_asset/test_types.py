"""Outcomes of downloads: pickles and JSON rows."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pystac

from stac_asset import (
    Config,
)
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from stac_asset.transfer.engine import Engine
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, Transfer, outcome_row
from tests.support.items import item_document


async def real_outcomes(origin: Origin, directory: Path, config: Config) -> list[Outcome]:
    """Return an outcome of each kind, from a real run."""
    origin.remove("/missing.tif")
    document = item_document(origin, "existing", "new", "missing", "local")
    document["assets"]["local"]["href"] = "file:///etc/passwd"  # Cannot be planned.
    document["assets"]["h\u00e9\ud800"] = {"href": origin.href("/h\u00e9.tif?sig=abc")}
    for asset in document["assets"].values():
        asset |= {"type": "image/tiff", "storage:region": "eu-central-1", "file:size": None}
    (directory / "existing.tif").write_bytes(b"here")
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    planned = list(Planner(directory, config, LOCAL_FACTS).assets(item))
    assert pickle.loads(pickle.dumps(planned[0])) == planned[0]
    outcomes: list[Outcome] = [entry for entry in planned if isinstance(entry, Failed)]
    async with Clients(config) as clients:
        engine = Engine(clients, config, LocalDestinations())
        transfers = [entry for entry in planned if isinstance(entry, Transfer)]
        outcomes += [outcome async for outcome in engine.run(transfers)]
    return outcomes


async def test_outcomes_survive_pickle_and_rows_are_json(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.write_checksums = True
    outcomes = await real_outcomes(origin, tmp_path, config)
    kinds = [type(outcome) for outcome in outcomes]
    assert sorted(kinds, key=str) == [Downloaded, Downloaded, Failed, Failed, Skipped]
    for outcome in outcomes:
        copied = pickle.loads(pickle.dumps(outcome))
        if isinstance(outcome, Failed):
            assert str(copied.error) == str(outcome.error)
            assert copied.transfer == outcome.transfer
        else:
            assert copied == outcome
        row = outcome_row(outcome)
        assert outcome_row(copied) == row
        assert json.loads(json.dumps(row)) == row
        assert row["owner"] == "item 'the-item'"
        assert "sig=" not in json.dumps(row)
