"""Destination directories: creation, and errors before any request or download."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.blocks.core import Block
from prefect.client.schemas.objects import State
from prefect_aws import AwsCredentials, S3Bucket
from prefect_azure import AzureBlobStorageContainer, AzureBlobStorageCredentials
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.parameters.destination import (
    checked_destination,
    checked_directory,
)
from prefect_stac_asset.flows.reporting.report_file import report_location
from stac_asset import Config
from stac_asset.errors import ConfigError, DestinationError, StacAssetError
from stac_asset.testing import Origin
from tests.support.cloud_blocks import service_account
from tests.support.collections import collection_document
from tests.support.flow_inputs import put_item_collection
from tests.support.items import item_document, make_item
from tests.support.prefect_reads import read_back

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)
FLOWS = {
    "item": flows.download_item,
    "collection": flows.download_collection,
    "item collection": flows.download_item_collection,
    "mirror": flows.sync,
}
INSTRUCTION = " Set `directory` to another path."


async def run_flow(name: str, origin: Origin, directory: str, **options: Any) -> State[Any]:
    """Run a flow of `FLOWS` on a matching source."""
    if name == "item":
        href = make_item(origin, "a")
    elif name == "collection":
        document = collection_document(origin, "a")
        href = origin.put("/collection.json", json.dumps(document).encode())
    else:
        href = put_item_collection(origin, 2, "a")
    chosen = OPTIONS.model_copy(update=options)
    return await FLOWS[name](href, directory, options=chosen, return_state=True)  # type: ignore


@pytest.mark.parametrize("name", FLOWS)
async def test_impossible_directory_fails_before_any_request(origin: Origin, name: str) -> None:
    options = {} if name == "mirror" else {"check_first": True}  # Not supported by mirrors.
    state = await run_flow(name, origin, "/dev/null/data", **options)
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert str(error) == "Cannot create directory '/dev/null/data': Not a directory." + INSTRUCTION
    assert origin.requests == []


@pytest.mark.parametrize("name", ["item", "item collection", "mirror"])
async def test_failed_directory_creation_fails_before_any_task(origin: Origin, name: str) -> None:
    state = await run_flow(name, origin, "/proc/data")
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert str(error).startswith("Cannot create directory '/proc/data': ")
    assert [request for request in origin.requests if not request.path.endswith(".json")] == []


@pytest.mark.parametrize("name", FLOWS)
async def test_missing_directory_is_not_created_without_make_directory(
    origin: Origin, tmp_path: Path, name: str
) -> None:
    directory = tmp_path / "new"
    state = await run_flow(name, origin, str(directory), make_directory=False)
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert str(error) == (
        f"Directory '{directory}' does not exist. Create it or set `make_directory=True`."
    )
    assert not directory.exists()
    assert origin.requests == []


@pytest.mark.parametrize("name", ["item collection", "mirror"])
async def test_subdirectories_are_created_without_make_directory(
    origin: Origin, tmp_path: Path, name: str
) -> None:
    state = await run_flow(name, origin, str(tmp_path), make_directory=False)
    result = await state.aresult()
    assert result.downloaded == 2
    assert Path(result.document).parent == tmp_path


async def test_file_name_may_contain_subdirectory(origin: Origin, tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"make_directory": False})
    href = origin.put("/c.json", json.dumps(collection_document(origin, "a")).encode())
    collection = await flows.download_collection(
        href, str(tmp_path), options, file_name="sub/one.json"
    )
    assert Path(collection.document) == tmp_path / "sub" / "one.json"
    assert collection.collection().assets["a"].href == "../a.png"
    items = await flows.download_item_collection(
        put_item_collection(origin, 2, "a"), str(tmp_path), options, file_name="more/items.json"
    )
    assert Path(items.document) == tmp_path / "more" / "items.json"
    assert items.directory == str(tmp_path)
    assert [
        Path(asset.href).is_file() for item in items.items() for asset in item.assets.values()
    ] == [
        True,
        True,
    ]


def error_message(directory: Path | str, config: Config | None = None) -> str:
    with pytest.raises(DestinationError) as caught:
        checked_directory(str(directory), config or Config())
    return str(caught.value)


def test_error_names_reason_for_impossible_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place in (tmp_path / "file", tmp_path / "file" / "a" / "b", tmp_path / "link" / "a"):
        assert (
            error_message(place)
            == f"Cannot create directory '{place}': Not a directory." + INSTRUCTION
        )
    assert ": File name too long" in error_message(tmp_path / ("x" * 300) / "a")
    assert ": embedded null byte" in error_message(f"{tmp_path}/a\0b")


@pytest.fixture
def read_only_directory() -> Iterator[Path]:
    """Directory without write permission for this process, also if the process runs as root."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield Path(name)
        os.seteuid(user)
        os.chmod(name, 0o755)


def test_read_only_directory_is_rejected(read_only_directory: Path) -> None:
    assert (
        error_message(read_only_directory)
        == f"Cannot write to directory '{read_only_directory}': Permission denied." + INSTRUCTION
    )
    new = read_only_directory / "a" / "b"
    assert (
        error_message(new) == f"Cannot create directory '{new}': Permission denied." + INSTRUCTION
    )


def test_check_creates_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_directory("a/b", Config()) == tmp_path / "a" / "b"
    assert checked_directory(".", Config(make_directory=False)) == tmp_path
    assert error_message("").startswith("`directory` is empty. ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "folder",
    ["tmp1a_b3c4dprefect", "prefect-flow-run-1a_b3c4d", "prefect-workspace-x-1a_b3c4d/work"],
)
def test_relative_directory_in_a_folder_that_prefect_deletes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (working := tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(working)
    for directory in ("data", ".", "./a/b"):
        assert error_message(directory) == (
            f"`directory` '{directory}' is relative, and the working directory of the run is a "
            "temporary folder, so its files would be lost. Set `directory` to an absolute path, or "
            "set `working_dir` of the work pool."
        )
    monkeypatch.setenv("HOME", str(tmp_path))
    for directory in (str(working / "data"), "~/data", (tmp_path / "data").as_uri()):
        assert checked_directory(directory, Config()).is_absolute()
    with pytest.raises(DestinationError, match=r"^`report` 'rows' is relative"):
        report_location("rows")


def test_relative_directory_of_a_worker_in_the_temporary_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch := tmp_path / "tmp1a_b3c4d").mkdir()
    (chosen := scratch / "chosen").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for working, is_refused in ((tmp_path, True), (scratch, True), (chosen, False)):
        monkeypatch.chdir(working)
        monkeypatch.delenv("PREFECT__FLOW_RUN_ID", raising=False)
        assert checked_directory("data", Config()) == working / "data"
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "1")
        if is_refused:
            assert "temporary folder" in error_message("data")
        else:
            assert checked_directory("data", Config()) == working / "data"


async def test_verify_refuses_relative_directory_in_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (working := tmp_path / "tmp1a_b3c4dprefect").mkdir()
    monkeypatch.chdir(working)
    state: State[Any] = await flows.verify("data", return_state=True)  # type: ignore
    assert "`directory` 'data' is relative" in str(state.message)


@pytest.mark.parametrize("name", ["item", "mirror"])
async def test_environment_of_a_run_is_checked(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("STAC_ASSET_INCLUDES", "a")
    state = await run_flow(name, origin, str(tmp_path / "data"))
    assert "The nearest name is `STAC_ASSET_INCLUDE`" in str(state.message)
    assert origin.requests == []
    monkeypatch.delenv("STAC_ASSET_INCLUDES")
    monkeypatch.setenv("STAC_ASSET_INCLUDE", "b")
    result = await (await run_flow(name, origin, str(tmp_path / "data"))).aresult()
    assert result.downloaded > 0
    [notice] = [line for line in result.notices if "environment" in line]
    assert notice.endswith("instead of: STAC_ASSET_INCLUDE")
    assert notice in str(state.message) or notice in json.dumps(result.notices)


@pytest.mark.parametrize("name", ["item", "item collection", "mirror"])
async def test_files_that_do_not_fit_are_refused_before_any_task(
    origin: Origin, tmp_path: Path, name: str
) -> None:
    # Other programs may free space during the test, but never more than the whole disk.
    whole = shutil.disk_usage(tmp_path).total
    documents = [item_document(origin, "a", name=name) for name in ("one", "two")]
    for document in documents:
        document["assets"]["a"]["file:size"] = whole
    document = documents[0]
    document["assets"]["b"] = dict(document["assets"]["a"], href=origin.href("/b.tif"))
    if name != "item":
        document = {"type": "FeatureCollection", "features": documents}
    href = origin.put("/sizes.json", json.dumps(document).encode())
    state = await FLOWS[name](href, str(tmp_path / "data"), return_state=True)  # type: ignore
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert "bytes are free in directory" in str(error)
    assert origin.gets("*.tif") == []


BUCKET = S3Bucket(bucket_name="tiles", bucket_folder="/a/b/", credentials=AwsCredentials())
GCP = GcpCredentials(service_account_info=service_account())
GCS_BUCKET = GcsBucket(bucket="tiles", bucket_folder="a/b", gcp_credentials=GCP)
AZURE = AzureBlobStorageCredentials(account_url="https://mine.blob.core.windows.net")
CONTAINER = AzureBlobStorageContainer(
    container_name="tiles", base_folder="/a/b/", credentials=AZURE
)
MINE, OTHER = "abfs://tiles@mine.dfs.core.windows.net", "abfs://tiles@other.dfs.core.windows.net"


@pytest.mark.parametrize(
    ("directory", "block", "location"),
    [
        ("s3://tiles/x/", None, "s3://tiles/x"),
        ("s3://tiles/x", S3Credentials(profile_name="p"), "s3://tiles/x"),
        ("s3://tiles/x/y", S3Credentials(profile_name="p", buckets=["tiles/x"]), "s3://tiles/x/y"),
        ("scenes/2026", BUCKET, "s3://tiles/a/b/scenes/2026"),
        (".", BUCKET, "s3://tiles/a/b"),
        ("s3://tiles/other", BUCKET, "s3://tiles/other"),
        ("gs://any/x", GCP, "gs://any/x"),
        ("scenes", GCS_BUCKET, "gs://tiles/a/b/scenes"),
        (".", GCS_BUCKET, "gs://tiles/a/b"),
        ("gs://tiles/other", GCS_BUCKET, "gs://tiles/other"),
        (".", GcsBucket(bucket="tiles", gcp_credentials=GCP), "gs://tiles"),
        ("az://any/x", AZURE, "az://any/x"),
        (f"{MINE}/x", AZURE, f"{MINE}/x"),
        ("scenes", CONTAINER, "az://tiles/a/b/scenes"),
        (f"{MINE}/x", CONTAINER, f"{MINE}/x"),
    ],
)
def test_location_of_a_bucket(directory: str, block: Block | None, location: str) -> None:
    assert str(checked_destination(directory, Config(), block)) == location


@pytest.mark.parametrize(
    ("directory", "block", "reason"),
    [
        ("/data", S3Credentials(profile_name="p"), "is not in an object store"),
        ("data", S3Credentials(profile_name="p"), "is not in an object store"),
        ("file:///data", BUCKET, "is not in an object store"),
        ("", BUCKET, "to a path relative to 's3://tiles/a/b', such as 'scenes' or '.'"),
        ("s3://other/x", BUCKET, "'s3://other/x' is not in the bucket of"),
        ("s3://tiles/xy", S3Credentials(profile_name="p", buckets=["tiles/x"]), "not in the `buck"),
        ("../c", BUCKET, "leads outside of 's3://tiles/a/b'"),
        ("gs://tiles/x", S3Credentials(profile_name="p"), "is not in S3"),
        ("s3://tiles/x", GCP, "is not in Google Cloud Storage"),
        ("az://tiles/x", GCS_BUCKET, "such as 'gs://bucket/prefix'"),
        ("gs://tiles/x", CONTAINER, "such as 'az://container/prefix'"),
        ("s3://tiles/x", AZURE, "is not in Azure Blob Storage"),
        ("gs://other/x", GCS_BUCKET, "'gs://other/x' is not in the bucket of"),
        ("az://other/x", CONTAINER, "'az://other/x' is not in the bucket of"),
        (f"{OTHER}/x", CONTAINER, "is for the account 'mine'"),
        (f"{OTHER}/x", AZURE, "is for the account 'mine'"),
        ("data", AZURE, "such as 'az://container/prefix'"),
        ("../c", GCS_BUCKET, "leads outside of 'gs://tiles/a/b'"),
        ("../c", CONTAINER, "leads outside of 'az://tiles/a/b'"),
        ("az://tiles/x", BUCKET, "is not in S3"),
        ("ftp://host/x", None, "cannot be written"),
    ],
)
def test_directory_that_does_not_fit_the_block_is_refused(
    directory: str, block: Block | None, reason: str
) -> None:
    with pytest.raises((ConfigError, DestinationError)) as caught:
        checked_destination(directory, Config(), block)
    assert reason in str(caught.value)
    assert "`directory`" in str(caught.value)


@given(st.text())
def test_relative_directory_stays_in_the_folder_of_the_block(directory: str) -> None:
    try:
        location = checked_destination(directory, Config(), BUCKET)
    except StacAssetError:
        return
    assert f"{location}/".startswith("s3://tiles/a/b/")
