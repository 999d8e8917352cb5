"""`prefect.yaml` is read strictly: what is wrong with it is one sentence that names the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint

from prefect_stac_asset.deployments import deployments
from prefect_stac_asset.deployments.local_stack import Stack
from prefect_stac_asset.deployments.prefect_yaml import FILE, read_deployments
from stac_asset.errors import ConfigError
from tests.deployments import stacks

GOOD = """\
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
      - {slug: night, cron: "0 2 * * *", timezone: Europe/Berlin}
      - {slug: hours, interval: 21600, anchor_date: "2026-01-01", active: false}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "prefect.yaml"
    file.write_text(text)
    return file


def test_file_of_the_project_lists_what_there_is() -> None:
    listed = {one.name: one for one in read_deployments()}
    assert {"download-item", "download-item-collection", "verify"} <= listed.keys()
    for one in listed.values():
        assert isinstance(one.flow(), Flow)
        assert one.concurrency_limit.limit >= 1
        # None runs by itself before somebody has said where and what.
        assert not any(schedule.active for schedule in one.schedules), one.name
    assert FILE == stacks.ROOT / "prefect.yaml"


def test_schedules_are_cron_and_interval(tmp_path: Path) -> None:
    (one,) = deployments(written(tmp_path, GOOD))
    assert one.schedules is not None
    night, hours = (schedule.schedule for schedule in one.schedules)
    assert (night.cron, night.timezone) == ("0 2 * * *", "Europe/Berlin")
    assert hours.interval.total_seconds() == 21600
    assert [schedule.active for schedule in one.schedules] == [True, False]


@pytest.mark.parametrize("pool", [False, True])
def test_stored_entrypoint_is_the_one_in_the_file(tmp_path: Path, pool: bool) -> None:
    (one,) = deployments(written(tmp_path, GOOD), pool=pool)
    assert one.entrypoint == "prefect_stac_asset.flows.verify"
    loaded = load_flow_from_entrypoint(one.entrypoint)
    assert loaded is load_flow_from_entrypoint(f"{loaded.fn.__module__}.verify")


WRONG = {
    "a cron that cannot be parsed": (
        '"0 2 * * *"',
        "every night",
        "deployments.nightly.schedules[0].cron: 'every night' is not a cron expression",
    ),
    "a cron with a field out of range": (
        '"0 2 * * *"',
        '"0 25 * * *"',
        "deployments.nightly.schedules[0].cron: '0 25 * * *' is not a cron expression",
    ),
    "an unknown time zone": (
        "Europe/Berlin",
        "Berlin",
        "deployments.nightly.schedules[0].timezone: 'Berlin' is not a time zone",
    ),
    "an interval that is no number": (
        "21600",
        "often",
        "deployments.nightly.schedules[1].interval: 'often' is not a positive number of seconds",
    ),
    "an interval that is not positive": (
        "21600",
        "0",
        "deployments.nightly.schedules[1].interval: 0 is not a positive number of seconds",
    ),
    "cron and interval": (
        "interval: 21600",
        "interval: 21600, cron: '* * * * *'",
        "deployments.nightly.schedules[1]: A schedule needs one time. Set either `cron`",
    ),
    "an interval that begins with each registration": (
        'anchor_date: "2026-01-01", ',
        "",
        "deployments.nightly.schedules[1]: `interval` and `anchor_date` belong together",
    ),
    "an unknown key of a deployment": (
        "description:",
        "describtion:",
        "deployments.nightly.describtion: unknown key",
    ),
    "an unknown key of a schedule": (
        "active:",
        "enabled:",
        "deployments.nightly.schedules[1].enabled: unknown key",
    ),
    "an unknown key of the file": ("name: test", "nane: test", "nane: unknown key"),
    "an unknown strategy": (
        "CANCEL_NEW",
        "QUEUE",
        "deployments.nightly.concurrency_limit.collision_strategy: ",
    ),
    "a limit of nothing": ("limit: 1", "limit: 0", "nightly.concurrency_limit.limit: "),
    "a parameter that the flow has not": (
        "{directory:",
        "{folder:",
        "flow 'verify' has no parameter 'folder'. Use one of directory, ",
    ),
    "a parameter of a schedule that the flow has not": (
        "active: false",
        "parameters: {folder: x}",
        "flow 'verify' has no parameter 'folder'. Use one of directory, ",
    ),
    "an entrypoint that is a path": (
        "prefect_stac_asset.flows.verify",
        "flows/verify.py:verify",
        "entrypoint: 'flows/verify.py:verify' is not a flow in a module",
    ),
    "an entrypoint that does not exist": (
        "prefect_stac_asset.flows.verify",
        "prefect_stac_asset.flows.unknown",
        "entrypoint: 'prefect_stac_asset.flows.unknown' cannot be imported",
    ),
    "no pull": ("pull: []\n", "", "pull: required key is missing"),
    "pull steps": ("pull: []", "pull: [{}]", "pull: must be empty"),
    "no YAML": ("name: test", "name: [test", "is not valid YAML"),
}


@pytest.mark.parametrize(("old", "new", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_wrong_file_is_refused_by_the_name_of_the_field(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    assert old in GOOD
    file = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError, match=r"prefect\.yaml") as caught:
        read_deployments(file)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_pool_for_containers_is_refused_where_processes_are_started(tmp_path: Path) -> None:
    text = GOOD.replace("{name: pool}", "{name: pool, job_variables: {image: mine}}")
    stack = Stack(tmp_path / "up", 4200)
    with pytest.raises(ConfigError, match=r"deployments\.nightly\.work_pool is for containers"):
        await anext(stack.up(written(tmp_path, text)))
    assert not (tmp_path / "up").exists()


MIRROR = """\
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
SYNC = GOOD.replace("flows.verify", "flows.sync").replace(
    "    parameters: {directory: /data}\n", MIRROR
)

WRONG_PARAMETERS = {
    "a box of three numbers": (", 52.7]", "]", "parameters: `search.bbox` must have four numbers"),
    "a box of words": ("13.8", "east", "parameters.search.bbox[2]: Input should be a valid number"),
    "an unknown key of the search": ("datetime", "datetme", "search.datetme: unknown key"),
    "no time": ("2026-06-01", "soon", "parameters: `search.datetime` 'soon' is not a valid time"),
    "an unknown option": ("include", "includes", "options.includes: unknown key"),
    "options that contradict": (
        "{include: [visual]}",
        "{include: [visual], exclude: [visual]}",
        "parameters.options: ",
    ),
    "a limit that is no number": (
        "max_items: 5",
        "max_items: many",
        "parameters.max_items: Input should be a valid integer",
    ),
    "a limit of no items": (
        "max_items: 5",
        "max_items: 0",
        "parameters: `max_items` must be at least 1",
    ),
    "a choice that there is not": (
        "max_items: 5",
        "on_removed: forget",
        "parameters.on_removed: Input should be 'keep', 'mark' or 'delete'",
    ),
    "a template": (
        "directory: /data",
        "directory: '/data/{{ prefect.variables.place }}'",
        "parameters.directory: templates ('{{') are not allowed",
    ),
    "a template inside": (
        "[visual]",
        "['{{ prefect.blocks.secret.s3same }}']",
        "parameters.options.include[0]: templates ('{{') are not allowed in parameters, because",
    ),
    "a block by its id, which Prefect replaces by what it holds": (
        "block_document_slug: http-credentials/mine",
        "block_document_id: 5f0a47d9-31c6-4e0c-a6d7-6c9d1c1e7d4f",
        "parameters.credentials: the value is not a reference to a saved block by name",
    ),
    "a block of no type that there is": (
        "http-credentials/mine",
        "http/mine",
        "parameters.credentials: block 'http/mine' is not a credential block. Use one of ",
    ),
    "what a block holds": (
        "$ref: {block_document_slug: http-credentials/mine}",
        "token: s3same",
        "parameters.credentials: the value is not a reference to a saved block by name",
    ),
    "a parameter of a schedule": (
        "active: false",
        "parameters: {max_bytes: lots}",
        "schedules[1].parameters.max_bytes: Input should be a valid integer",
    ),
}


@pytest.mark.parametrize(
    ("old", "new", "sentence"), WRONG_PARAMETERS.values(), ids=WRONG_PARAMETERS.keys()
)
def test_wrong_parameter_is_refused_by_its_name(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    assert old in SYNC
    with pytest.raises(ConfigError) as caught:
        read_deployments(written(tmp_path, SYNC.replace(old, new, 1)))
    text = str(caught.value)
    assert text.startswith("prefect.yaml: deployments.nightly: ")
    assert sentence in text
    assert "\n" not in text
    assert "s3same" not in text


@pytest.mark.parametrize("several", [False, True])
def test_parameters_are_those_of_the_flow(tmp_path: Path, several: bool) -> None:
    text = SYNC
    if several:
        text = text.replace("        $ref: {", "        - $ref: {")
    (one,) = read_deployments(written(tmp_path, text))
    assert one.parameters["max_items"] == 5
    # Others may be left to whoever starts a run.
    read_deployments(written(tmp_path, SYNC.replace("      directory: /data\n", "")))


def test_two_of_a_name_are_refused(tmp_path: Path) -> None:
    text = GOOD + GOOD.partition("deployments:\n")[2]
    with pytest.raises(ConfigError, match="several deployments have the name 'nightly'"):
        read_deployments(written(tmp_path, text))


def test_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read '.*none\.yaml': No such file"):
        read_deployments(tmp_path / "none.yaml")


@pytest.mark.parametrize("command", ["up", "serve"])
def test_command_refuses_a_wrong_cron_before_anything_runs(tmp_path: Path, command: str) -> None:
    file = written(tmp_path, GOOD.replace('"0 2 * * *"', "every night"))
    folder = tmp_path / "up"
    more = ("--folder", str(folder)) if command == "up" else ()
    # An address at which nobody listens: a server that is asked would be another error.
    server = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path)}
    done = stacks.deployments(command, "--file", str(file), *more, **server)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "deployments.nightly.schedules[0].cron: 'every night'" in sentence
    assert done.stdout == ""
    assert not folder.exists()


@pytest.mark.parametrize(
    ("database", "sentence"),
    [
        ("mysql://user:secret@host/name", "DATABASE starts with 'mysql'"),
        ("postgresql://user:secret@host/name", "Use postgresql+asyncpg://"),
        ("a database", "DATABASE is not a database URL"),
    ],
)
def test_database_that_prefect_does_not_know_is_refused(
    tmp_path: Path, database: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match="DATABASE") as caught:
        Stack(tmp_path / "up", 4200, database)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)
