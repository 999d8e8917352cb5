"""Runs of the flow `verify` on a real Prefect server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prefect.client.schemas.objects import State

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials
from prefect_stac_asset.flows import DownloadOptions, VerifyResult
from stac_asset import Config, ConfigError, download_item
from stac_asset.errors import DestinationError, ResponseNotFoundError, SourceError, VerifyError
from stac_asset.testing import Origin
from tests.support.items import item_document, make_item
from tests.support.mirror_runs import build_item, run_mirror, serve_items
from tests.support.prefect_reads import read_back, states
from tests.support.push_gateway import push_gateway
from tests.support.s3_destinations import Bucket, moto_service
from tests.support.spans import by_name, recorded_spans

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2, write_checksums=True)


async def read_final_state(state: State[VerifyResult], task_runs: int = 0) -> tuple[str, str, str]:
    """Return the name, type and message of the stored state of a flow run."""
    run, _ = await read_back(state, task_runs)
    assert run.state is not None
    return run.state.name or "", run.state.type.value, run.state.message or ""


async def test_valid_files_complete_the_flow(origin: Origin, tmp_path: Path) -> None:
    await flows.download_item(make_item(origin, "a", "b"), str(tmp_path), OPTIONS)
    report = tmp_path / "report.ndjson"
    with recorded_spans() as exporter:
        state = await flows.verify(str(tmp_path), report=str(report), return_state=True)
        assert len(by_name(exporter)["run verify"]) == 1
    run, _ = await read_back(state, 0)
    assert run.name == f"verify {tmp_path}"
    assert await read_final_state(state) == ("Completed", "COMPLETED", "2 of 2 files are good")
    result = await state.aresult()
    assert (result.documents, result.verified, result.bad) == (1, 2, [])
    assert result.bytes == sum(len(origin.content(f"/{key}.tif")) for key in "ab")
    assert VerifyResult.model_validate_json(result.model_dump_json()) == result
    rows = {row["key"]: row for row in map(json.loads, report.read_text().splitlines())}
    assert rows["a"]["state"] == "verified"
    assert rows["a"]["path"] == str(tmp_path / "a.tif")


async def test_missing_and_damaged_files_fail_the_flow_and_are_listed(
    origin: Origin, tmp_path: Path
) -> None:
    await flows.download_item(make_item(origin, "a", "b", "c"), str(tmp_path), OPTIONS)
    (tmp_path / "a.tif").unlink()
    (tmp_path / "b.tif").write_bytes(b"ruin")
    (tmp_path / ".d.tif.part").write_bytes(b"partial")
    origin.forget()
    state = await flows.verify(str(tmp_path), return_state=True)
    name, kind, message = await read_final_state(state)
    assert (name, kind) == ("Failed", "FAILED")
    assert "2 of 3 files are missing or wrong" in message
    assert "asset 'a' of item 'the-item': the file is missing" in message
    assert "asset 'b' of item 'the-item': the file has 4 bytes, but file:size declares" in message
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, VerifyError)
    assert (error.count, error.total) == (2, 3)
    assert origin.requests == []
    with push_gateway() as gateway:
        options = OPTIONS.model_copy(update={"warn": True, "metrics": gateway.url})
        state = await flows.verify(str(tmp_path), options=options, return_state=True)
    (metrics,) = gateway.pushed.values()
    labels = 'deployment="none",flow="verify",result'
    for result, count in (("missing", 1), ("wrong", 1), ("verified", 1), ("refused", 0)):
        assert f'stac_asset_check_results{{{labels}="{result}"}} {count}.0' in metrics
    assert f'stac_asset_runs_total{{{labels}="success"}} 1.0' in metrics
    name, kind, message = await read_final_state(state)
    assert (name, kind) == ("CompletedWithWarnings", "COMPLETED")
    assert "2 of 3 files" in message
    result = await state.aresult()
    assert (result.missing, result.wrong, result.verified) == (1, 1, 1)
    assert {row["key"] for row in result.bad} == {"a", "b"}
    assert result.leftovers == [str(tmp_path / ".d.tif.part")]


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_damaged_files_are_repaired_in_task_runs(
    origin: Origin, tmp_path: Path, granularity: str
) -> None:
    await flows.download_item(make_item(origin, "a", "b", "c"), str(tmp_path), OPTIONS)
    document = (tmp_path / "the-item.json").read_bytes()
    (tmp_path / "a.tif").unlink()
    (tmp_path / "b.tif").write_bytes(b"ruin")
    state = await flows.verify(
        str(tmp_path), True, OPTIONS, granularity, str(tmp_path / "r.ndjson"), return_state=True
    )
    # One task run resolves the client.
    count = {"asset": 3, "batch": 2}[granularity]
    assert await read_final_state(state, count) == (
        "Repaired",
        "COMPLETED",
        "3 of 3 files are good, 2 repaired",
    )
    if granularity == "asset":
        _, task_runs = await read_back(state, count)
        client = f"client for {origin.url}/"
        assert set(states(task_runs)) == {client, "the-item/a", "the-item/b"}
    result = await state.aresult()
    assert (result.verified, result.repaired) == (3, 2)
    rows = map(json.loads, Path(result.report or "").read_text().splitlines())
    assert {row["key"]: row["repaired"] for row in rows} == {"a": True, "b": True, "c": False}
    for key in "abc":
        assert (tmp_path / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")
    assert (tmp_path / "the-item.json").read_bytes() == document
    assert await read_final_state(await flows.verify(str(tmp_path), True, return_state=True)) == (
        "Completed",
        "COMPLETED",
        "3 of 3 files are good",
    )


async def test_failed_repair_is_reported(origin: Origin, tmp_path: Path) -> None:
    await flows.download_item(make_item(origin, "a", "b"), str(tmp_path), OPTIONS)
    for key in "ab":
        (tmp_path / f"{key}.tif").unlink()
    origin.remove("/b.tif")
    state = await flows.verify(str(tmp_path), True, OPTIONS, return_state=True)
    name, _, message = await read_final_state(state, 3)
    assert name == "Failed"
    assert "1 of 2 files are missing or wrong" in message
    assert "asset 'b' of item 'the-item': the file is missing, and the repair failed: 404" in (
        message
    )
    assert (tmp_path / "a.tif").exists()
    options = OPTIONS.model_copy(update={"fail_fast": True})
    with pytest.raises(ResponseNotFoundError):
        await flows.verify(str(tmp_path), True, options)


async def test_files_of_item_collections_are_repaired(origin: Origin, tmp_path: Path) -> None:
    items = [item_document(origin, "a", name=name) for name in ("one", "two")]
    collection = {"type": "FeatureCollection", "features": items}
    href = origin.put("/items.json", json.dumps(collection).encode())
    options = OPTIONS.model_copy(update={"write_checksums": False})
    await flows.download_item_collection(href, str(tmp_path), options)
    (tmp_path / "two" / "a.tif").unlink()
    state = await flows.verify(str(tmp_path), True, options, return_state=True)
    message = "2 of 2 files are good, 1 repaired (2 without a checksum to verify)"
    assert await read_final_state(state, 2) == ("Repaired", "COMPLETED", message)
    assert (tmp_path / "two" / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_files_outside_of_directory_are_not_changed(origin: Origin, tmp_path: Path) -> None:
    directory, secret = tmp_path / "directory", tmp_path / "secret.tif"
    secret.write_bytes(b"secret")
    href = make_item(origin, "a")
    document = item_document(origin)
    document["assets"] = {"a": {"href": "../secret.tif", "file:size": 1}}
    document["links"] = [{"rel": "derived_from", "href": href}]
    directory.mkdir()
    (directory / "the-item.json").write_text(json.dumps(document))
    state = await flows.verify(str(directory), True, OPTIONS, return_state=True)
    name, _, message = await read_final_state(state)
    assert name == "Failed"
    assert "is outside of the directory" in message
    assert secret.read_bytes() == b"secret"
    assert origin.requests == []


async def test_unknown_files_of_a_mirror_are_listed_and_removed(
    origin: Origin, tmp_path: Path
) -> None:
    await run_mirror(tmp_path, serve_items(origin, [build_item(origin, "item")]))
    old = tmp_path / "things/item/old.tif"
    old.write_bytes(b"old")
    for remove in (False, True):
        state = await flows.verify(str(tmp_path), remove_unknown=remove, return_state=True)
        done = "removed" if remove else "found"
        message = (
            f"1 of 1 files are good. Files that no record of a mirror names were {done}: {old}"
        )
        assert await read_final_state(state) == ("Completed", "COMPLETED", message)
        result = await state.aresult()
        assert (result.unknown, result.unknown_removed) == ([str(old)], int(remove))
    assert not old.exists()


async def test_invalid_input_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="contains no STAC document"):
        await flows.verify(str(tmp_path))
    with pytest.raises(SourceError, match="does not exist"):
        await flows.verify(str(tmp_path / "not" / "there"))
    options = DownloadOptions(warn=True, fail_fast=True)
    with pytest.raises(ConfigError, match="mutually exclusive"):
        await flows.verify(str(tmp_path), options=options)


async def test_files_of_a_bucket_are_repaired(origin: Origin) -> None:
    with moto_service() as service:
        async with Bucket.create(service) as bucket:
            config = Config(
                destination_endpoint_url=service,
                destination_access_key_id="AKIA",
                destination_secret_access_key="destination-secret",
                write_checksums=True,
            )
            url = f"s3://{bucket.name}/{bucket.prefix}"
            await download_item(make_item(origin, "a", "b"), url, config=config)
            block = S3Credentials(
                access_key_id="AKIA", secret_access_key="destination-secret", endpoint_url=service
            )
            await block.save("of-verify", overwrite=True)
            await bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/a.tif")
            result = await flows.verify(
                url,
                repair=True,
                report=f"s3://{bucket.name}/reports/rows.ndjson",
                destination_credentials=block,
            )
            assert (result.directory, result.verified, result.repaired) == (url, 2, 1)
            assert await bucket.content("a.tif") == origin.content("/a.tif")
            document = await bucket.content("the-item.json")
            with pytest.raises(DestinationError, match="this file exists and is no report"):
                await flows.verify(
                    url, report=f"{url}/the-item.json", destination_credentials=block
                )
            assert await bucket.content("the-item.json") == document
            bucket.prefix = "reports"
            rows = (await bucket.content("rows.ndjson") or b"").splitlines()
            assert [json.loads(row)["state"] for row in rows] == ["verified", "verified"]
