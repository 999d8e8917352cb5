"""Flows and tasks that go to other processes as pickles, and run there."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import pytest
from prefect.flow_engine import run_flow_in_subprocess
from prefect.settings import get_current_settings
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import flows
from tests.flows.deploying import ROOT
from tests.flows.elsewhere import (
    FLOWS,
    TASKS,
    did,
    flow_parameters,
    make_sources,
    note_completion,
    task_parameters,
    wrote,
)
from tests.server_logs import checked_log

NAMES = (*FLOWS, *TASKS)
PICKLERS = {"pickle": pickle, "cloudpickle": cloudpickle}


def changed(name: str) -> Any:
    """Returns a copy of a flow or a task that has other options."""
    options: dict[str, Any] = {"task_runner": ThreadPoolTaskRunner(max_workers=2)}
    if name in TASKS:
        options = {"tags": {"changed"}}
    return getattr(flows, name).with_options(
        name=f"changed-{name}", retries=3, on_completion=[note_completion], **options
    )


def loaded_by_path(name: str) -> Any:
    """Returns a flow of a module that is not in `sys.modules`, as scripts are loaded."""
    file = sys.modules[getattr(flows, name).fn.__module__].__file__
    assert file is not None
    spec = importlib.util.spec_from_file_location("loaded_by_path", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def elsewhere(
    prefect_server: None, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Where another process ran each pickle, and what it printed of each."""
    folder = tmp_path_factory.mktemp("pickles")

    def put(way: str, name: str, what: Any, pickler: ModuleType) -> None:
        make = flow_parameters if name in FLOWS else task_parameters
        sent = (what, make(name, sources, folder / f"{way}-{name}"))
        (folder / f"{way}-{name}.pickle").write_bytes(pickler.dumps(sent))

    for name in NAMES:
        for way, pickler in PICKLERS.items():
            put(f"{way}-original", name, getattr(flows, name), pickler)
            put(f"{way}-changed", name, changed(name), pickler)
    for name in FLOWS:
        put("path", name, loaded_by_path(name), cloudpickle)
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    log = folder / "log"
    with checked_log(log), log.open("wb") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "tests.flows.unpickling", str(folder)],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
            timeout=800,
        )
        assert done.returncode == 0, log.read_text()
    printed: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return folder, printed


@pytest.mark.parametrize("name", NAMES)
def test_another_process_loads_the_object_of_the_module(
    elsewhere: tuple[Path, dict[str, Any]], name: str
) -> None:
    folder, printed = elsewhere
    for way in (f"{pickler}-original-{name}" for pickler in PICKLERS):
        assert printed[way]["is_of_module"]
        assert printed[way]["state"] == "COMPLETED", printed[way]
        assert (wrote if name in FLOWS else did)(name, folder / way)


@pytest.mark.parametrize("name", NAMES)
def test_another_process_loads_the_options_of_a_changed_copy(
    elsewhere: tuple[Path, dict[str, Any]], name: str
) -> None:
    folder, printed = elsewhere
    for way in (f"{pickler}-changed-{name}" for pickler in PICKLERS):
        found = printed[way]
        assert found["state"] == "COMPLETED", found
        assert (found["name"], found["retries"]) == (f"changed-{name}", 3)
        assert found["noted"]
        assert found["class"] == type(getattr(flows, name)).__name__
        assert found["threads"] == (2 if name in FLOWS else None)
        assert found["tags"] == (["changed"] if name in TASKS else [])
        assert (wrote if name in FLOWS else did)(name, folder / way)


@pytest.mark.parametrize("name", FLOWS)
def test_flow_of_a_file_loaded_by_path_has_all_that_it_needs(
    elsewhere: tuple[Path, dict[str, Any]], name: str
) -> None:
    folder, printed = elsewhere
    assert printed[f"path-{name}"]["state"] == "COMPLETED", printed[f"path-{name}"]
    assert not printed[f"path-{name}"]["is_of_module"]
    assert wrote(name, folder / f"path-{name}")


@pytest.mark.parametrize("name", NAMES)
def test_each_protocol_keeps_objects_and_changed_copies(name: str) -> None:
    what = getattr(flows, name)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(what, protocol)) is what
        again = pickle.loads(pickle.dumps(changed(name), protocol))
        assert (again.fn, again.name, again.retries) == (what.fn, f"changed-{name}", 3)
        assert again.on_completion_hooks == [note_completion]


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_copies_of_flows_and_tasks_are_objects_of_their_own(way: Callable[[Any], Any]) -> None:
    for what in (getattr(flows, name) for name in NAMES):
        again = way(what)
        again.name = "another"
        assert type(again) is type(what)
        assert what.name != "another"
        assert pickle.loads(pickle.dumps(again)).name == "another"


def test_pickle_of_a_changed_copy_keeps_hooks_of_a_notebook(tmp_path: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("def hook(flow, run, state):\n    return 'called'", names)
    for what in (flows.sync, flows.download_asset):
        sent = cloudpickle.dumps(what.with_options(on_completion=[names["hook"]]))
        (hook,) = pickle.loads(sent).on_completion_hooks
        assert hook(None, None, None) == "called"


async def test_each_flow_runs_in_a_subprocess(
    prefect_server: None, sources: Path, tmp_path: Path
) -> None:
    started = [
        run_flow_in_subprocess(
            getattr(flows, name), parameters=flow_parameters(name, sources, tmp_path / name)
        )
        for name in FLOWS
    ]
    for process in started:
        await asyncio.to_thread(process.join)
    assert [process.exitcode for process in started] == [0] * len(FLOWS)
    assert [name for name in FLOWS if not wrote(name, tmp_path / name)] == []
