"""The command line and the blocking functions write to a bucket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stac_asset import Config, blocking
from stac_asset.concurrency import in_thread
from stac_asset.testing import Origin, S3Proxy, Status
from stac_asset.testing.s3_proxy import error_body
from tests.support.cli import run_command
from tests.support.items import item_document, make_item
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket


@pytest.fixture(autouse=True)
def _destination_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the keys of the destination, which the command line reads from the environment."""
    monkeypatch.setenv("STAC_ASSET_DESTINATION_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("STAC_ASSET_DESTINATION_SECRET_ACCESS_KEY", SECRET)


def test_command_and_blocking_function_write_to_a_bucket(
    origin: Origin,
    store: Config,
    bucket: Bucket,
    tmp_path: Path,
) -> None:
    item, url = tmp_path / "item.json", f"s3://{bucket.name}/new"
    item.write_text(json.dumps(item_document(origin, "a", "b")))
    endpoint = ("--destination-endpoint-url", store.destination_endpoint_url)
    planned = run_command("plan", item, url, *endpoint, "--json")
    assert planned.code == 0, planned.errors
    assert json.loads(planned.output)["directory"] == url
    done = run_command("download", item, url, *endpoint, "--absolute-hrefs")
    assert done.code == 0, done.errors
    assert "2 downloaded" in done.errors
    again = run_command("download", item, url, *endpoint)
    assert again.errors.endswith(f": {url}/the-item.json\n")
    assert "2 skipped" in again.errors
    for shown in (done, again):
        assets = json.loads(shown.output)["assets"]
        assert [asset["href"] for asset in assets.values()] == [f"{url}/a.tif", f"{url}/b.tif"]

    plan = blocking.plan_item(item, url, config=store)
    assert plan.count("skip") == 2
    assert blocking.download_item(item, url, config=store).get_self_href() == f"{url}/the-item.json"


def test_command_line_names_its_options_in_errors(origin: Origin, tmp_path: Path) -> None:
    item = tmp_path / "item.json"
    item.write_text(json.dumps(item_document(origin, "a")))
    refused = run_command("download", item, "ftp://bucket/x")
    assert refused.code == 1
    assert refused.errors.startswith("error: `DIRECTORY` 'ftp://…' is of a kind")
    endpoint = ("--destination-endpoint-url", "http://127.0.0.1:1", "--s3-max-attempts", 1)
    refused = run_command("download", item, "s3://bucket/x", *endpoint)
    assert refused.code == 1
    assert "Check `--destination-endpoint-url`" in refused.errors
    assert origin.requests == []


def test_command_refuses_destinations_before_the_document_is_read(
    origin: Origin,
    store: Config,
    bucket: Bucket,
    proxy: S3Proxy,
) -> None:
    source = make_item(origin, "a")
    with Origin() as other:
        cases = {
            ("s3://missing-bucket/x", proxy.url): "the bucket does not exist. Create the bucket",
            (f"s3://{bucket.name}/denied", proxy.url): "Allow s3:PutObject",
            (
                f"s3://{bucket.name}/x",
                other.url,
            ): "or check `--destination-endpoint-url`",
            (f"s3://{bucket.name}/x", proxy.url.replace("http:", "https:")): "cannot be reached",
        }
        proxy.fault("PutObject", Status(403, body=error_body("AccessDenied")), "denied/*", 0)
        for (url, endpoint), cure in cases.items():
            options = ("--destination-endpoint-url", endpoint, "--s3-max-attempts", 1)
            refused = run_command("download", source, url, *options)
            [line] = refused.errors.splitlines()
            assert (refused.code, refused.output) == (1, "")
            assert line.startswith(f"error: {url}/"), line
            assert cure in line, line
    assert origin.requests == []


async def test_clean_aborts_uploads_without_a_note_on_request(
    store: Config, bucket: Bucket
) -> None:
    key = f"{bucket.prefix}/a.tif"
    await bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    url = f"s3://{bucket.name}/{bucket.prefix}"
    endpoint = ("--destination-endpoint-url", store.destination_endpoint_url)
    kept = await in_thread(lambda: run_command("clean", url, *endpoint))
    assert kept.code == 0, kept.errors
    assert "unfinished uploads without a note: 1. --without-note aborts them." in kept.output
    assert f"- s3://{bucket.name}/{key} (unfinished upload" in kept.output
    assert len(await bucket.uploads()) == 1
    done = await in_thread(lambda: run_command("clean", url, *endpoint, "--without-note"))
    assert done.code == 0, done.errors
    assert "leftovers: 1 removed, 0 younger" in done.output
    assert not await bucket.has_leftovers()


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        (("sync", "SOURCE", "URL"), "written"),
        (("audit", "SOURCE", "URL"), "read"),
        (("audit", "SOURCE", "URL", "--repair"), "written"),
        (("clean", "URL"), "written"),
        (("verify", "URL", "--repair"), "written"),
    ],
    ids=["sync", "audit", "audit --repair", "clean", "verify --repair"],
)
def test_other_commands_refuse_a_missing_bucket_before_any_request(
    origin: Origin,
    store: Config,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    action: str,
) -> None:
    monkeypatch.setenv("STAC_ASSET_S3_MAX_ATTEMPTS", "1")
    values = {"SOURCE": make_item(origin, "a"), "URL": "s3://missing-bucket/x"}
    endpoint = ("--destination-endpoint-url", store.destination_endpoint_url)
    given = [values.get(one, one) for one in arguments]
    refused = run_command(*given, *endpoint)
    assert (refused.code, refused.output) == (1, "")
    assert refused.errors == (
        f"error: s3://missing-bucket/x/ cannot be {action}: the bucket does not exist. Create the "
        "bucket, or correct the URL\n"
    )
    assert origin.requests == []
