"""Futures, states and annotations as task parameters, and the names of task runs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pystac
import pytest
from prefect import allow_failure, flow, task, unmapped
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import opaque, quote

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks import HttpCredentials, S3Credentials
from prefect_stac_asset.flows.execution.run_names import name_of
from stac_asset.testing import Origin
from stac_asset.types import Storage
from tests.support.flow_inputs import OPTIONS, make_transfers
from tests.support.items import item_document
from tests.support.prefect_reads import read_back, states


@task(task_run_name="value")
def return_value(value: Any) -> Any:
    return value


@task(task_run_name="error")
def raise_error(value: Any) -> Any:
    raise ValueError(value)


PARAMETER_FORMS: dict[str, Callable[[PrefectFuture[Any], Any], Any]] = {
    "future": lambda future, _: future,
    "state": lambda future, _: final_state(future),
    "opaque future": lambda future, _: opaque(future),
    "unmapped future": lambda future, _: unmapped(future),
    "future that may fail": lambda future, _: allow_failure(future),
    "quoted value": lambda _, value: quote(value),
}
"""Forms of a parameter, each with the function that makes the form of a future and its value."""


def final_state(future: PrefectFuture[Any]) -> State[Any]:
    future.wait()
    return future.state


RUN_NAMES = {
    "plan_item": "plan the-item",
    "resolve_client": "client for {url}/0.tif",
    "check_asset_exists": "check k0",
    "check_assets_exist": "check 2 assets",
    "download_asset": "i/k0",
    "download_assets": "i/k0 and 1 more",
    "rewrite_item": "rewrite the-item",
}
GENERAL_RUN_NAMES = {
    "plan_item": "plan an item",
    "resolve_client": "client for an href",
    "check_asset_exists": "check an asset",
    "check_assets_exist": "check assets",
    "download_asset": "download an asset",
    "download_assets": "download assets",
    "rewrite_item": "rewrite an item",
}


def make_planned_transfers(origin: Origin, directory: Path) -> list[Any]:
    return [replace(transfer, owner_id="i") for transfer in make_transfers(origin, directory, 2)]


def make_parameters(origin: Origin, directory: Path) -> dict[str, dict[str, Any]]:
    """Return all parameters of all tasks, by the name of the task."""
    both = make_planned_transfers(origin, directory)
    common = {"options": OPTIONS, "credentials": blocks.ref("http-credentials/of-futures")}
    destination = {"destination_credentials": blocks.ref("s3-credentials/of-futures")}
    storage = Storage()
    item = pystac.Item.from_dict(item_document(origin, "a"))
    return {
        "plan_item": {"item": item, "directory": str(directory), **common},
        "resolve_client": {"href": both[0].href, "storage": storage, **common},
        "check_asset_exists": {"asset": both[0], "storage": storage, **common},
        "check_assets_exist": {"transfers": both, **common},
        "download_asset": {"asset": both[0], "directory": None, **common, **destination},
        "download_assets": {"transfers": both, **common, **destination},
        "rewrite_item": {
            "item": item,
            "outcomes": [],
            "document": directory / "item.json",
            "options": OPTIONS,
            "keep_non_downloaded": True,
            **destination,
        },
    }


@pytest.fixture
async def parameters_by_task(origin: Origin, tmp_path: Path) -> dict[str, dict[str, Any]]:
    block = HttpCredentials(hosts=["example.org"], token="secret")
    await block.asave("of-futures", overwrite=True)
    await S3Credentials(profile_name="unused").asave("of-futures", overwrite=True)
    return make_parameters(origin, tmp_path)


async def read_task_runs(state: State[Any], count: int, parameter_runs: int) -> list[TaskRun]:
    """Return the task runs of a flow run, without the runs that produced parameters.

    Args:
        state: The final state of the flow run.
        count: Number of task runs of the library.
        parameter_runs: Number of task runs that produced parameters.
    """
    _, task_runs = await read_back(state, count + parameter_runs)
    return [run for run in task_runs if run.name not in ("value", "error")]


class Futures:
    """Futures of values, with one task run for each value."""

    def __init__(self, parameters_by_task: dict[str, dict[str, Any]]) -> None:
        distinct = distinct_values(parameters_by_task)
        self._by_id = {key: return_value.submit(value) for key, value in distinct.items()}

    def __getitem__(self, value: Any) -> PrefectFuture[Any]:
        return self._by_id[id(value)]

    def convert(
        self, values: dict[str, Any], form: Callable[[PrefectFuture[Any], Any], Any]
    ) -> dict[str, Any]:
        """Return parameters with values that are converted to a form."""
        return {parameter: form(self[value], value) for parameter, value in values.items()}


def distinct_values(parameters_by_task: dict[str, dict[str, Any]]) -> dict[int, Any]:
    """Return the values of all parameters by their identity. Tasks share some values."""
    return {id(one): one for values in parameters_by_task.values() for one in values.values()}


def assert_completed(runs: list[TaskRun], origin: Origin, times: int) -> None:
    assert Counter(run.name for run in runs) == {
        name.format(url=origin.url): times for name in RUN_NAMES.values()
    }
    assert {run.state.type.value for run in runs if run.state} == {"COMPLETED"}


async def test_each_task_parameter_accepts_a_future(
    origin: Origin, parameters_by_task: dict[str, dict[str, Any]]
) -> None:
    @flow
    def user_flow() -> None:
        given = Futures(parameters_by_task)
        futures = [
            getattr(flows, name).submit(**(values | {parameter: given[value]}))
            for name, values in parameters_by_task.items()
            for parameter, value in values.items()
        ]
        for future in futures:
            future.result()

    assert {name: set(values) for name, values in parameters_by_task.items()} == {
        name: set(getattr(flows, name).fn.__annotations__) - {"return"} for name in RUN_NAMES
    }
    count = sum(map(len, parameters_by_task.values()))
    state = await asyncio.to_thread(user_flow, return_state=True)
    assert state.is_completed(), state.message
    runs = await read_task_runs(state, count, len(distinct_values(parameters_by_task)))
    names = {name: template.format(url=origin.url) for name, template in RUN_NAMES.items()}
    assert Counter(run.name for run in runs) == {
        names[name]: len(values) for name, values in parameters_by_task.items()
    }


async def test_submitted_tasks_accept_parameters_in_each_form(
    origin: Origin, parameters_by_task: dict[str, dict[str, Any]]
) -> None:
    @flow
    def user_flow() -> None:
        given = Futures(parameters_by_task)
        futures = [
            getattr(flows, name).submit(**given.convert(values, form))
            for form in PARAMETER_FORMS.values()
            for name, values in parameters_by_task.items()
        ]
        for future in futures:
            future.result()

    state = await asyncio.to_thread(user_flow, return_state=True)
    assert state.is_completed(), state.message
    count = len(distinct_values(parameters_by_task))
    assert_completed(
        await read_task_runs(state, len(PARAMETER_FORMS) * len(RUN_NAMES), count),
        origin,
        len(PARAMETER_FORMS),
    )


async def test_awaited_tasks_accept_parameters_in_each_form(
    origin: Origin, parameters_by_task: dict[str, dict[str, Any]]
) -> None:
    forms = [
        PARAMETER_FORMS["future"],
        PARAMETER_FORMS["opaque future"],
        PARAMETER_FORMS["quoted value"],
    ]

    @flow
    async def user_flow() -> None:
        given = Futures(parameters_by_task)
        for form in forms:
            for name, values in parameters_by_task.items():
                await getattr(flows, name)(**given.convert(values, form))

    state = await user_flow(return_state=True)  # type: ignore[call-overload]
    assert state.is_completed(), state.message
    count = len(distinct_values(parameters_by_task))
    assert_completed(
        await read_task_runs(state, len(forms) * len(RUN_NAMES), count), origin, len(forms)
    )


async def test_tasks_accept_lists_of_futures(origin: Origin, tmp_path: Path) -> None:
    both = make_planned_transfers(origin, tmp_path)
    item = pystac.Item.from_dict(item_document(origin, "k0", "k1"))

    @flow
    def user_flow() -> None:
        for batch_task in (flows.download_assets, flows.check_assets_exist):
            for parameter in (
                [return_value.submit(transfer) for transfer in both],
                tuple(return_value.submit(transfer) for transfer in both),
                [both[0], return_value(both[1], return_state=True)],
                return_value.map(both),
                return_value.submit(both),
                allow_failure([return_value.submit(transfer) for transfer in both]),
            ):
                batch_task.submit(parameter, OPTIONS).result()  # type: ignore[call-overload, attr-defined]
        outcomes = flows.download_asset.map(
            return_value.map(both), unmapped(return_value.submit(OPTIONS))
        )
        document = tmp_path / "item.json"
        assert flows.rewrite_item.submit(item, outcomes, document).result() == document  # type: ignore[call-overload]
        flows.check_asset_exists.map(return_value.map(both), OPTIONS).result()  # type: ignore[call-overload]

    state = await asyncio.to_thread(user_flow, return_state=True)
    assert state.is_completed(), state.message
    assert "0.tif" in (tmp_path / "item.json").read_text()
    runs = await read_task_runs(state, 6 + 6 + 2 + 1 + 2, 2 * (2 + 2 + 1 + 2 + 1 + 2) + 2 + 1 + 2)
    assert Counter(run.name for run in runs) == {
        "i/k0 and 1 more": 6,
        "check 2 assets": 6,
        "i/k0": 1,
        "i/k1": 1,
        "rewrite the-item": 1,
        "check k0": 1,
        "check k1": 1,
    }


async def test_item_is_rewritten_after_failed_assets(origin: Origin, tmp_path: Path) -> None:
    both = make_planned_transfers(origin, tmp_path)
    origin.remove("/1.tif")
    item = pystac.Item.from_dict(item_document(origin, "k0", "k1"))

    @flow
    def user_flow() -> list[bytes]:
        written = []
        for outcomes in (
            flows.download_asset.map(both, unmapped(OPTIONS)),
            flows.download_assets.submit(both, OPTIONS),
        ):
            done = flows.rewrite_item.submit(item, allow_failure(outcomes), tmp_path / "item.json")  # type: ignore[call-overload]
            written.append(done.result().read_bytes())
        return written

    mapped, batched = await asyncio.to_thread(user_flow)
    assert mapped == batched
    rewritten = pystac.Item.from_dict(json.loads(mapped))
    assert rewritten.assets["k0"].href == "./0.tif"
    assert set(rewritten.assets) == {"k0"}


async def test_tasks_with_invalid_parameters_fail_with_general_run_name(
    origin: Origin, parameters_by_task: dict[str, dict[str, Any]]
) -> None:
    first = {name: next(iter(values)) for name, values in parameters_by_task.items()}

    @flow
    def user_flow() -> None:
        futures = []
        for name, values in parameters_by_task.items():
            has_list = isinstance(values[first[name]], list)
            for invalid in (
                quote(return_value.submit("a future")),
                allow_failure(raise_error.submit("an error")),
                *(
                    [opaque([return_value.submit(transfer) for transfer in values[first[name]]])]
                    if has_list
                    else ()
                ),
            ):
                futures.append(getattr(flows, name).submit(**(values | {first[name]: invalid})))
        for future in futures:
            future.wait()

    state = await asyncio.to_thread(user_flow, return_state=True)
    runs = await read_task_runs(state, 2 * 7 + 2, 2 * 7 + 2 * 2)
    assert Counter(run.name for run in runs) == {
        name: 3 if "assets" in name else 2 for name in GENERAL_RUN_NAMES.values()
    }
    state_types = {run.name: run.state.type.value for run in runs if run.state is not None}
    assert set(state_types.values()) == {"FAILED"}


async def test_task_run_names_escape_ids_and_redact_hrefs(origin: Origin, tmp_path: Path) -> None:
    origin.put("/0.tif", b"data")
    signed = f"{origin.url.replace('//', '//user:hidden@')}/0.tif?x={{0}}&sig=hidden"
    transfer, _ = make_planned_transfers(origin, tmp_path)
    shown_ids = {
        "{item.id}/{0} %s": "{item.id}/{0} %s",
        "a/b\n\x00\ud800": r"a/b\n\x00\ud800",
        "x" * 100_000: "x" * 199 + "…",
        f"of {signed}": f"of {origin.url}/0.tif?…",
    }
    document = item_document(origin, "a")

    @flow
    async def user_flow() -> None:
        await flows.resolve_client(signed, OPTIONS)
        for text in shown_ids:
            await flows.check_asset_exists(replace(transfer, key=text), OPTIONS)
            await flows.download_asset(replace(transfer, owner_id=text, key="k"), OPTIONS)
            item = pystac.Item.from_dict(document | {"id": text.encode(errors="replace").decode()})
            await flows.rewrite_item(item, [], tmp_path / "item.json", OPTIONS)

    state = await user_flow(return_state=True)  # type: ignore[call-overload]
    assert state.is_completed(), state.message
    _, runs = await read_back(state, 1 + 3 * len(shown_ids))
    names = set(states(runs))
    assert f"client for {origin.url}/0.tif?…" in names
    for text, shown in shown_ids.items():
        assert name_of(f"check {text}") in names
        assert name_of(f"check {text}")[:100] == f"check {shown}"[:100]
        assert name_of(f"{text}/k") in names
    assert not [name for name in names if "hidden" in name or len(name) > 200]


async def test_flow_run_names_escape_and_redact_parameters(origin: Origin, tmp_path: Path) -> None:
    origin.put("/item {0}.json", b"{}")
    directory = tmp_path / "a {directory} {0}\n"
    directory.mkdir()
    for run, arguments, prefix in (
        (flows.verify, (str(directory),), f"verify {directory}".replace("\n", r"\n")),
        (
            flows.download_item,
            (f"{origin.url}/item {{0}}.json?page=hidden", str(directory)),
            "download item {0}.json?… to ",
        ),
        (flows.download_item, ("#hidden", str(directory)), "download a source to "),
        (flows.check_assets, ('{"id": "{0}\\n' + "x" * 1000 + '"}',), r"check {0}\nxxx"),
    ):
        state: State[Any] = await run(*arguments, return_state=True)  # type: ignore[attr-defined]
        flow_run, _ = await read_back(state, 0)
        assert flow_run.name.startswith(prefix)
        assert "hidden" not in flow_run.name
        assert len(flow_run.name) <= 200
