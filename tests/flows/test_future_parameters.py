"""Futures, states and annotations as parameters of each task, and the names of its runs."""

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
from prefect.utilities.annotations import opaque, quote

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks import HttpCredentials
from prefect_stac_asset.flows.execution.run_names import name_of
from stac_asset.testing import Origin
from stac_asset.types import Storage
from tests.flows.reading import read_back, states
from tests.flows.running import transfers
from tests.flows.test_states import OPTIONS
from tests.make_item import item_document


@task(task_run_name="given")
def give(value: Any) -> Any:
    return value


@task(task_run_name="broken")
def fail(value: Any) -> Any:
    raise ValueError(value)


FORMS: dict[str, Callable[[Any], Any]] = {
    "future": give.submit,
    "state": lambda value: give(value, return_state=True),
    "opaque future": lambda value: opaque(give.submit(value)),
    "unmapped future": lambda value: unmapped(give.submit(value)),
    "future that may fail": lambda value: allow_failure(give.submit(value)),
    "quoted value": quote,
}
NAMES = {
    "resolve_client": "client for {url}/0.tif",
    "check_asset_exists": "check k0",
    "check_assets_exist": "check 2 assets",
    "download_asset": "i/k0",
    "download_assets": "i/k0 and 1 more",
    "rewrite_item": "rewrite the-item",
}
GENERAL = {
    "resolve_client": "client for an href",
    "check_asset_exists": "check an asset",
    "check_assets_exist": "check assets",
    "download_asset": "download an asset",
    "download_assets": "download assets",
    "rewrite_item": "rewrite an item",
}


def planned(origin: Origin, directory: Path) -> list[Any]:
    return [replace(transfer, owner_id="i") for transfer in transfers(origin, directory, 2)]


def parameters(origin: Origin, directory: Path) -> dict[str, dict[str, Any]]:
    """Returns all parameters of all tasks, by the names of the tasks."""
    both = planned(origin, directory)
    common = {"options": OPTIONS, "credentials": blocks.ref("http-credentials/of-futures")}
    storage = Storage()
    item = pystac.Item.from_dict(item_document(origin, "a"))
    return {
        "resolve_client": {"href": both[0].href, "storage": storage, **common},
        "check_asset_exists": {"key": "k0", "href": both[0].href, "storage": storage, **common},
        "check_assets_exist": {"transfers": both, **common},
        "download_asset": {"transfer": both[0], **common},
        "download_assets": {"transfers": both, **common},
        "rewrite_item": {
            "item": item,
            "outcomes": [],
            "document": directory / "item.json",
            "options": OPTIONS,
            "keep_non_downloaded": True,
        },
    }


@pytest.fixture
async def given(origin: Origin, tmp_path: Path) -> dict[str, dict[str, Any]]:
    block = HttpCredentials(hosts=["example.org"], token="secret")
    await block.asave("of-futures", overwrite=True)
    return parameters(origin, tmp_path)


async def ended(state: State[Any], count: int, given_runs: int) -> list[TaskRun]:
    """Returns the task runs of a flow run, without those that gave parameters."""
    _, task_runs = await read_back(state, count + given_runs)
    return [run for run in task_runs if run.name not in ("given", "broken")]


def assert_completed(runs: list[TaskRun], origin: Origin, times: int) -> None:
    assert Counter(run.name for run in runs) == {
        name.format(url=origin.url): times for name in NAMES.values()
    }
    assert {run.state.type.value for run in runs if run.state} == {"COMPLETED"}


async def test_each_parameter_of_each_task_may_be_a_future(
    origin: Origin, given: dict[str, dict[str, Any]]
) -> None:
    @flow
    def own() -> None:
        futures = [
            getattr(flows, name).submit(**(values | {one: give.submit(values[one])}))
            for name, values in given.items()
            for one in values
        ]
        for future in futures:
            future.result()

    assert {name: set(values) for name, values in given.items()} == {
        name: set(getattr(flows, name).fn.__annotations__) - {"return"} for name in NAMES
    }
    count = sum(map(len, given.values()))
    state = await asyncio.to_thread(own, return_state=True)
    assert state.is_completed(), state.message
    runs = await ended(state, count, count)
    names = {name: origin_name.format(url=origin.url) for name, origin_name in NAMES.items()}
    assert Counter(run.name for run in runs) == {
        names[name]: len(values) for name, values in given.items()
    }


async def test_all_parameters_in_each_form_by_submit_in_a_flow_that_is_not_async(
    origin: Origin, given: dict[str, dict[str, Any]]
) -> None:
    @flow
    def own() -> None:
        futures = [
            getattr(flows, name).submit(**{one: form(value) for one, value in values.items()})
            for form in FORMS.values()
            for name, values in given.items()
        ]
        for future in futures:
            future.result()

    state = await asyncio.to_thread(own, return_state=True)
    assert state.is_completed(), state.message
    count = sum(map(len, given.values())) * (len(FORMS) - 1)
    assert_completed(await ended(state, len(FORMS) * len(NAMES), count), origin, len(FORMS))


async def test_all_parameters_in_each_form_by_call_in_an_async_flow(
    origin: Origin, given: dict[str, dict[str, Any]]
) -> None:
    forms = [FORMS["future"], FORMS["opaque future"], FORMS["quoted value"]]

    @flow
    async def own() -> None:
        for form in forms:
            for name, values in given.items():
                await getattr(flows, name)(**{one: form(value) for one, value in values.items()})

    state = await own(return_state=True)  # type: ignore[call-overload]
    assert state.is_completed(), state.message
    count = sum(map(len, given.values())) * (len(forms) - 1)
    assert_completed(await ended(state, len(forms) * len(NAMES), count), origin, len(forms))


async def test_lists_of_futures(origin: Origin, tmp_path: Path) -> None:
    both = planned(origin, tmp_path)
    item = pystac.Item.from_dict(item_document(origin, "k0", "k1"))

    @flow
    def own() -> None:
        for many in (flows.download_assets, flows.check_assets_exist):
            for values in (
                [give.submit(one) for one in both],
                tuple(give.submit(one) for one in both),
                [both[0], give(both[1], return_state=True)],
                give.map(both),
                give.submit(both),
                allow_failure([give.submit(one) for one in both]),
            ):
                many.submit(values, OPTIONS).result()  # type: ignore[call-overload, attr-defined]
        outcomes = flows.download_asset.map(give.map(both), unmapped(give.submit(OPTIONS)))
        document = tmp_path / "item.json"
        assert flows.rewrite_item.submit(item, outcomes, document).result() == document  # type: ignore[call-overload]
        flows.check_asset_exists.map(give.map(["k0", "k1"]), [one.href for one in both]).result()

    state = await asyncio.to_thread(own, return_state=True)
    assert state.is_completed(), state.message
    assert "0.tif" in (tmp_path / "item.json").read_text()
    runs = await ended(state, 6 + 6 + 2 + 1 + 2, 2 * (2 + 2 + 1 + 2 + 1 + 2) + 2 + 1 + 2)
    assert Counter(run.name for run in runs) == {
        "i/k0 and 1 more": 6,
        "check 2 assets": 6,
        "i/k0": 1,
        "i/k1": 1,
        "rewrite the-item": 1,
        "check k0": 1,
        "check k1": 1,
    }


async def test_item_is_rewritten_though_assets_failed(origin: Origin, tmp_path: Path) -> None:
    both = planned(origin, tmp_path)
    origin.remove("/1.tif")
    item = pystac.Item.from_dict(item_document(origin, "k0", "k1"))

    @flow
    def own() -> list[bytes]:
        written = []
        for outcomes in (
            flows.download_asset.map(both, unmapped(OPTIONS)),
            flows.download_assets.submit(both, OPTIONS),
        ):
            done = flows.rewrite_item.submit(item, allow_failure(outcomes), tmp_path / "item.json")  # type: ignore[call-overload]
            written.append(done.result().read_bytes())
        return written

    one, other = await asyncio.to_thread(own)
    assert one == other
    found = pystac.Item.from_dict(json.loads(one))
    assert found.assets["k0"].href == "./0.tif"
    assert set(found.assets) == {"k0"}


async def test_values_that_no_task_takes_fail_it_under_a_general_name(
    origin: Origin, given: dict[str, dict[str, Any]]
) -> None:
    first = {name: next(iter(values)) for name, values in given.items()}

    @flow
    def own() -> None:
        futures = []
        for name, values in given.items():
            of_list = isinstance(values[first[name]], list)
            for odd in (
                quote(give.submit("a future")),
                allow_failure(fail.submit("an error")),
                *([opaque([give.submit(one) for one in values[first[name]]])] if of_list else ()),
            ):
                futures.append(getattr(flows, name).submit(**(values | {first[name]: odd})))
        for future in futures:
            future.wait()

    state = await asyncio.to_thread(own, return_state=True)
    runs = await ended(state, 2 * 6 + 2, 2 * 6 + 2 * 2)
    assert Counter(run.name for run in runs) == {
        name: 3 if "assets" in name else 2 for name in GENERAL.values()
    }
    found = {run.name: run.state.type.value for run in runs if run.state is not None}
    # Only the name is made of the key.
    assert found.pop("check an asset") == "COMPLETED"
    assert set(found.values()) == {"FAILED"}


async def test_odd_ids_and_signed_hrefs_in_names(origin: Origin, tmp_path: Path) -> None:
    origin.put("/0.tif", b"data")
    signed = f"{origin.url.replace('//', '//user:hidden@')}/0.tif?x={{0}}&sig=hidden"
    one, _ = planned(origin, tmp_path)
    odd = {
        "{item.id}/{0} %s": "{item.id}/{0} %s",
        "a/b\n\x00\ud800": r"a/b\n\x00\ud800",
        "x" * 100_000: "x" * 199 + "…",
        f"of {signed}": f"of {origin.url}/0.tif?…",
    }
    document = item_document(origin, "a")

    @flow
    async def own() -> None:
        await flows.resolve_client(signed, OPTIONS)
        for text in odd:
            await flows.check_asset_exists(text, one.href, OPTIONS)
            await flows.download_asset(replace(one, owner_id=text, key="k"), OPTIONS)
            item = pystac.Item.from_dict(document | {"id": text.encode(errors="replace").decode()})
            await flows.rewrite_item(item, [], tmp_path / "item.json", OPTIONS)

    state = await own(return_state=True)  # type: ignore[call-overload]
    assert state.is_completed(), state.message
    _, runs = await read_back(state, 1 + 3 * len(odd))
    names = set(states(runs))
    assert f"client for {origin.url}/0.tif?…" in names
    for text, shown in odd.items():
        assert name_of(f"check {text}") in names
        assert name_of(f"check {text}")[:100] == f"check {shown}"[:100]
        assert name_of(f"{text}/k") in names
    assert not [name for name in names if "hidden" in name or len(name) > 200]


async def test_odd_parameters_in_names_of_flow_runs(origin: Origin, tmp_path: Path) -> None:
    origin.put("/item {0}.json", b"{}")
    odd = tmp_path / "a {directory} {0}\n"
    odd.mkdir()
    for run, arguments, begin in (
        (flows.verify, (str(odd),), f"verify {odd}".replace("\n", r"\n")),
        (
            flows.download_item,
            (f"{origin.url}/item {{0}}.json?sig=hidden", str(odd)),
            "download item {0}.json?… to ",
        ),
        (flows.download_item, ("#hidden", str(odd)), "download a source to "),
        (flows.check_assets, ('{"id": "{0}\\n' + "x" * 1000 + '"}',), r"check {0}\nxxx"),
    ):
        state: State[Any] = await run(*arguments, return_state=True)  # type: ignore[attr-defined]
        found, _ = await read_back(state, 0)
        assert found.name.startswith(begin)
        assert "hidden" not in found.name
        assert len(found.name) <= 200
