"""Strict validation of `prefect.yaml`. Each error message is a single line and names the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint

from prefect_stac_asset.deployments import deployments
from prefect_stac_asset.deployments.local_stack.stack import Stack
from prefect_stac_asset.deployments.prefect_yaml import FILE, read_deployments
from stac_asset.errors import ConfigError
from tests.support.deployments_cli import run_deployments_cli
from tests.support.paths import ROOT

VALID_FILE = """\
name: test
pull: []
deployments:
  - name: nightly
    description: Verifies.
    entrypoint: prefect_stac_asset.flows.verify
    parameters: {directory: /data}
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
    work_pool: {name: pool}
    schedules:
      - {slug: nightly, cron: "0 2 * * *", timezone: Europe/Berlin}
      - {slug: six-hourly, interval: 21600, anchor_date: "2026-01-01", active: false}
"""


def write_file(folder: Path, text: str) -> Path:
    file = folder / "prefect.yaml"
    file.write_text(text)
    return file


def test_project_file_lists_deployments_with_inactive_schedules() -> None:
    listed = {deployment.name: deployment for deployment in read_deployments()}
    assert {"download-item", "download-item-collection", "verify"} <= listed.keys()
    for deployment in listed.values():
        assert isinstance(deployment.flow(), Flow)
        assert deployment.concurrency_limit.limit >= 1
        # Users activate schedules after setting the source and the directory.
        assert not any(schedule.active for schedule in deployment.schedules), deployment.name
    assert FILE == ROOT / "prefect.yaml"


def test_schedules_have_cron_or_interval(tmp_path: Path) -> None:
    (deployment,) = deployments(write_file(tmp_path, VALID_FILE))
    assert deployment.schedules is not None
    cron, interval = (schedule.schedule for schedule in deployment.schedules)
    assert (cron.cron, cron.timezone) == ("0 2 * * *", "Europe/Berlin")
    assert interval.interval.total_seconds() == 21600
    assert [schedule.active for schedule in deployment.schedules] == [True, False]


@pytest.mark.parametrize("pool", [False, True])
def test_deployment_has_entrypoint_of_the_file(tmp_path: Path, pool: bool) -> None:
    (deployment,) = deployments(write_file(tmp_path, VALID_FILE), pool=pool)
    assert deployment.entrypoint == "prefect_stac_asset.flows.verify"
    loaded = load_flow_from_entrypoint(deployment.entrypoint)
    assert loaded is load_flow_from_entrypoint(f"{loaded.fn.__module__}.verify")


INVALID_FILES = {
    "invalid cron expression": (
        '"0 2 * * *"',
        "every night",
        "deployments.nightly.schedules[0].cron: 'every night' is not a cron expression",
    ),
    "cron field out of range": (
        '"0 2 * * *"',
        '"0 25 * * *"',
        "deployments.nightly.schedules[0].cron: '0 25 * * *' is not a cron expression",
    ),
    "unknown time zone": (
        "Europe/Berlin",
        "Berlin",
        "deployments.nightly.schedules[0].timezone: 'Berlin' is not a time zone",
    ),
    "interval not a number": (
        "21600",
        "often",
        "deployments.nightly.schedules[1].interval: 'often' is not a positive number of seconds",
    ),
    "interval not positive": (
        "21600",
        "0",
        "deployments.nightly.schedules[1].interval: 0 is not a positive number of seconds",
    ),
    "both cron and interval": (
        "interval: 21600",
        "interval: 21600, cron: '* * * * *'",
        "deployments.nightly.schedules[1]: A schedule needs one time. Set either `cron`",
    ),
    "interval without anchor date": (
        'anchor_date: "2026-01-01", ',
        "",
        "deployments.nightly.schedules[1]: `interval` and `anchor_date` belong together",
    ),
    "unknown key of a deployment": (
        "description:",
        "describtion:",
        "deployments.nightly.describtion: unknown key. The nearest name is `description`.",
    ),
    "unknown key of a schedule": (
        "active:",
        "enabled:",
        "deployments.nightly.schedules[1].enabled: unknown key",
    ),
    "unknown key of the file": ("name: test", "nane: test", "nane: unknown key"),
    "unknown collision strategy": (
        "CANCEL_NEW",
        "QUEUE",
        "deployments.nightly.concurrency_limit.collision_strategy: ",
    ),
    "concurrency limit of zero": ("limit: 1", "limit: 0", "nightly.concurrency_limit.limit: "),
    "unknown parameter": (
        "{directory:",
        "{folder:",
        "flow 'verify' has no parameter 'folder'. Use one of directory, ",
    ),
    "unknown parameter of a schedule": (
        "active: false",
        "parameters: {folder: x}",
        "flow 'verify' has no parameter 'folder'. Use one of directory, ",
    ),
    "entrypoint with a file path": (
        "prefect_stac_asset.flows.verify",
        "flows/verify.py:verify",
        "entrypoint: 'flows/verify.py:verify' is not a flow in a module",
    ),
    "entrypoint without a flow": (
        "prefect_stac_asset.flows.verify",
        "prefect_stac_asset.flows.unknown",
        "entrypoint: 'prefect_stac_asset.flows.unknown' cannot be imported",
    ),
    "missing pull": ("pull: []\n", "", "pull: required key is missing"),
    "pull steps": ("pull: []", "pull: [{}]", "pull: must be empty"),
    "invalid YAML": ("name: test", "name: [test", "is not valid YAML"),
}


@pytest.mark.parametrize(
    ("old", "new", "message"), INVALID_FILES.values(), ids=INVALID_FILES.keys()
)
def test_invalid_file_raises_error_with_field_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in VALID_FILE
    file = write_file(tmp_path, VALID_FILE.replace(old, new, 1))
    with pytest.raises(ConfigError, match=r"prefect\.yaml") as caught:
        read_deployments(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_up_refuses_work_pool_for_containers(tmp_path: Path) -> None:
    text = VALID_FILE.replace("{name: pool}", "{name: pool, job_variables: {image: mine}}")
    stack = Stack(tmp_path / "up", 4200)
    with pytest.raises(ConfigError, match=r"deployments\.nightly\.work_pool is for containers"):
        await anext(stack.up(write_file(tmp_path, text)))
    assert not (tmp_path / "up").exists()


SYNC_PARAMETERS = """\
    parameters:
      source: https://example.com/api
      directory: /data
      search:
        bbox: [13.0, 52.3, 13.8, 52.7]
        datetime: 2026-06-01
      options: {include: [visual]}
      max_items: 5
      credentials:
        $ref: {block_document_slug: http-credentials/mine}
"""
SYNC_FILE = VALID_FILE.replace("flows.verify", "flows.sync").replace(
    "    parameters: {directory: /data}\n", SYNC_PARAMETERS
)

INVALID_PARAMETERS = {
    "bbox with three numbers": (", 52.7]", "]", "parameters: `search.bbox` must have four numbers"),
    "bbox with a string": (
        "13.8",
        "east",
        "parameters.search.bbox[2]: Input should be a valid number",
    ),
    "unknown key of the search": ("datetime", "datetme", "search.datetme: unknown key"),
    "invalid datetime": (
        "2026-06-01",
        "soon",
        "parameters: `search.datetime` 'soon' is not a valid time",
    ),
    "unknown option": (
        "include",
        "includes",
        "options.includes: unknown key. The nearest name is `include`.",
    ),
    "option without effect": (
        "{include: [visual]}",
        "{write_checksums: true}",
        "parameters.options.write_checksums: the option has no effect in flow 'sync'. Remove the ",
    ),
    "conflicting options": (
        "{include: [visual]}",
        "{include: [visual], exclude: [visual]}",
        "parameters.options: ",
    ),
    "limit not a number": (
        "max_items: 5",
        "max_items: many",
        "parameters.max_items: Input should be a valid integer",
    ),
    "limit of zero items": (
        "max_items: 5",
        "max_items: 0",
        "parameters: `max_items` must be at least 1",
    ),
    "invalid choice": (
        "max_items: 5",
        "on_removed: forget",
        "parameters.on_removed: Input should be 'keep', 'mark' or 'delete'",
    ),
    "template": (
        "directory: /data",
        "directory: '/data/{{ prefect.variables.folder }}'",
        "parameters.directory: templates ('{{') are not allowed",
    ),
    "nested template": (
        "[visual]",
        "['{{ prefect.blocks.secret.s3same }}']",
        "parameters.options.include[0]: templates ('{{') are not allowed in parameters, because",
    ),
    "URL with a signature": (
        "directory: /data",
        "directory: 's3://bucket/data?X-Amz-Signature=abcdef'",
        "parameters.directory: the URL contains a secret (`X-Amz-Signature`), and Prefect stores",
    ),
    "block reference by id": (
        "block_document_slug: http-credentials/mine",
        "block_document_id: 5f0a47d9-31c6-4e0c-a6d7-6c9d1c1e7d4f",
        "parameters.credentials: the value is not a reference to a saved block by name",
    ),
    "unknown block type": (
        "http-credentials/mine",
        "http/mine",
        "parameters.credentials: block 'http/mine' is not a credential block. Use one of ",
    ),
    "block of another type for the mirror": (
        "max_items: 5",
        "mirror: {$ref: {block_document_slug: http-credentials/mine}}",
        "parameters.mirror: block 'http-credentials/mine' is not a mirror block. Use one of "
        "stac-mirror.",
    ),
    "block of another type for the destination": (
        "max_items: 5",
        "destination_credentials: {$ref: {block_document_slug: http-credentials/mine}}",
        "parameters.destination_credentials: block 'http-credentials/mine' is not a credential ",
    ),
    "several blocks for the destination": (
        "max_items: 5",
        "destination_credentials: [{$ref: {block_document_slug: s3-credentials/mine}}]",
        "parameters.destination_credentials: the value is not a reference to a saved block by name",
    ),
    "URL of no object store": (
        "directory: /data",
        "directory: 'ftp://host/data'",
        "parameters: `directory` 'ftp://…' is of a kind that cannot be written",
    ),
    "credential values": (
        "$ref: {block_document_slug: http-credentials/mine}",
        "token: s3same",
        "parameters.credentials: the value is not a reference to a saved block by name",
    ),
    "invalid parameter of a schedule": (
        "active: false",
        "parameters: {max_bytes: lots}",
        "schedules[1].parameters.max_bytes: Input should be a valid integer",
    ),
}


@pytest.mark.parametrize(
    ("old", "new", "message"), INVALID_PARAMETERS.values(), ids=INVALID_PARAMETERS.keys()
)
def test_invalid_parameter_raises_error_with_parameter_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in SYNC_FILE
    with pytest.raises(ConfigError) as caught:
        read_deployments(write_file(tmp_path, SYNC_FILE.replace(old, new, 1)))
    text = str(caught.value)
    assert text.startswith("prefect.yaml: deployments.nightly: ")
    assert message in text
    assert "\n" not in text
    assert "s3same" not in text


@pytest.mark.parametrize("has_list_of_blocks", [False, True])
def test_valid_parameters_are_accepted(tmp_path: Path, has_list_of_blocks: bool) -> None:
    text = SYNC_FILE
    if has_list_of_blocks:
        text = text.replace("        $ref: {", "        - $ref: {")
    (deployment,) = read_deployments(write_file(tmp_path, text))
    assert deployment.parameters["max_items"] == 5
    # Each run can set required parameters that the file does not set.
    read_deployments(write_file(tmp_path, SYNC_FILE.replace("      directory: /data\n", "")))


def test_options_in_earlier_groups_are_registered_without_groups(tmp_path: Path) -> None:
    """The run form shows no groups."""
    text = SYNC_FILE.replace("{include: [visual]}", "{attempts: {retry_wait: 3.0}, rare: null}")
    text = text.replace("bbox: [13.0, 52.3, 13.8, 52.7]", "more: {ids: [a]}")
    (deployment,) = deployments(write_file(tmp_path, text))
    assert deployment.parameters["options"] == {"retry_wait": 3.0}
    assert deployment.parameters["search"].keys() == {"ids", "datetime"}


def test_shipped_deployments_write_to_a_directory_that_every_user_can_create() -> None:
    """A relative directory is in the working directory of the work pool."""
    found = {one.name: one.parameters.get("directory") for one in read_deployments()}
    assert found["sync"] == found["verify"] == "mirror"


def test_duplicate_deployment_name_is_refused(tmp_path: Path) -> None:
    text = VALID_FILE + VALID_FILE.partition("deployments:\n")[2]
    with pytest.raises(ConfigError, match="several deployments have the name 'nightly'"):
        read_deployments(write_file(tmp_path, text))


def test_duplicate_slug_is_refused(tmp_path: Path) -> None:
    text = VALID_FILE.replace("slug: six-hourly", "slug: nightly")
    with pytest.raises(ConfigError, match="several schedules have the slug 'nightly'"):
        read_deployments(write_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VALID_FILE + "name: other\n", "key 'name' occurs in line 1 and in line 13. Remove one"),
        (VALID_FILE.replace("limit: 1", "limit: 1, limit: 2"), "key 'limit' occurs in line"),
        (VALID_FILE.replace("name: nightly", "name: a/b"), "'a/b' contains '/', which Prefect"),
        (
            VALID_FILE.replace("name: nightly", "name: ' '"),
            "name: must not be empty. Write a name.",
        ),
        (VALID_FILE.replace("name: pool", "name: ''"), "work_pool.name: must not be empty. Write"),
        (VALID_FILE.replace("{directory: /data}", "[" * 5000), "is nested too deeply. Correct"),
        (VALID_FILE.replace("description:", "description: 5 #"), "must be a text. Put the value"),
        ("", "prefect.yaml: must have keys and values, such as"),
        ("- a", "prefect.yaml: must have keys and values, such as"),
    ],
)
def test_malformed_file_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_deployments(write_file(tmp_path, text))
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_file_that_is_not_utf_8_is_refused(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "prefect.yaml"
    file.write_bytes(VALID_FILE.replace("name: nightly", "name: nächtlich").encode(encoding))
    with pytest.raises(ConfigError, match=r"is not UTF-8\. Save the file as UTF-8\.$"):
        read_deployments(file)


def test_keys_of_an_anchor_may_be_replaced(tmp_path: Path) -> None:
    text = VALID_FILE.replace("name: test\n", "name: test\ndefinitions: {limit: &l {limit: 5}}\n")
    text = text.replace("{limit: 1,", "{<<: *l, limit: 1,")
    (deployment,) = read_deployments(write_file(tmp_path, text))
    assert deployment.concurrency_limit.limit == 1


def test_missing_file_raises_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read '.*missing\.yaml': No such file"):
        read_deployments(tmp_path / "missing.yaml")


@pytest.mark.parametrize("command", ["up", "serve"])
def test_command_refuses_invalid_cron_before_starting_processes(
    tmp_path: Path, command: str
) -> None:
    file = write_file(tmp_path, VALID_FILE.replace('"0 2 * * *"', "every night"))
    folder = tmp_path / "up"
    folder_option = ("--folder", str(folder)) if command == "up" else ()
    # A closed port: a request to the server would cause another error.
    server = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path)}
    done = run_deployments_cli(command, "--file", str(file), *folder_option, **server)
    assert done.returncode == 1
    (error,) = done.stderr.splitlines()
    assert "deployments.nightly.schedules[0].cron: 'every night'" in error
    assert done.stdout == ""
    assert not folder.exists()


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("mysql://user:secret@host/name", "DATABASE starts with 'mysql'"),
        ("postgresql://user:secret@host/name", "Use postgresql+asyncpg://"),
        ("a database", "DATABASE is not a database URL"),
    ],
)
def test_unsupported_database_is_refused(tmp_path: Path, database: str, message: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE") as caught:
        Stack(tmp_path / "up", 4200, database)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
