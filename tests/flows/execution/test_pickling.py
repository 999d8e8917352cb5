"""Flows and tasks that are pickled, sent to other processes, and run there."""

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
from tests.support.paths import ROOT
from tests.support.remote_runs import (
    FLOWS,
    TASKS,
    flow_parameters,
    flow_wrote_files,
    record_completion,
    task_parameters,
    task_wrote_file,
    write_sources,
)
from tests.support.server_logs import checked_log

NAMES = (*FLOWS, *TASKS)
PICKLERS = {"pickle": pickle, "cloudpickle": cloudpickle}


def changed_copy(name: str) -> Any:
    """Return a copy of a flow or task with other options."""
    options: dict[str, Any] = {"task_runner": ThreadPoolTaskRunner(max_workers=2)}
    if name in TASKS:
        options = {"tags": {"changed"}}
    return getattr(flows, name).with_options(
        name=f"changed-{name}", retries=3, on_completion=[record_completion], **options
    )


def load_by_path(name: str) -> Any:
    """Return a flow from a module file that is loaded by path, as a script is."""
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
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def subprocess_results(
    prefect_server: None, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Folder of the outputs of each pickle in another process, and the printed results.

    Only the copies of `cloudpickle`, which Prefect uses, run.
    """
    folder = tmp_path_factory.mktemp("pickles")

    def write_pickle(variant: str, name: str, target: Any, pickler: ModuleType) -> None:
        make = flow_parameters if name in FLOWS else task_parameters
        content = (target, make(name, sources, folder / f"{variant}-{name}"))
        (folder / f"{variant}-{name}.pickle").write_bytes(pickler.dumps(content))

    for name in NAMES:
        changed = changed_copy(name)
        for prefix, pickler in PICKLERS.items():
            write_pickle(f"{prefix}-original", name, getattr(flows, name), pickler)
            write_pickle(f"{prefix}-changed", name, changed, pickler)
    for name in FLOWS:
        write_pickle("path", name, load_by_path(name), cloudpickle)
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    log = folder / "log"
    with checked_log(log), log.open("wb") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.unpickling", str(folder)],
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
def test_unpickled_original_is_the_module_object(
    subprocess_results: tuple[Path, dict[str, Any]], name: str
) -> None:
    _, printed = subprocess_results
    for key in (f"{pickler}-original-{name}" for pickler in PICKLERS):
        assert printed[key]["loaded"]["is_module_object"]


@pytest.mark.parametrize("name", NAMES)
def test_unpickled_copy_keeps_changed_options(
    subprocess_results: tuple[Path, dict[str, Any]], name: str
) -> None:
    folder, printed = subprocess_results
    result = printed[f"cloudpickle-changed-{name}"]
    assert result["state"] == "COMPLETED", result
    assert result["hook_called"]
    assert (flow_wrote_files if name in FLOWS else task_wrote_file)(
        name, folder / f"cloudpickle-changed-{name}"
    )
    for key in (f"{pickler}-changed-{name}" for pickler in PICKLERS):
        loaded = printed[key]["loaded"]
        assert (loaded["name"], loaded["retries"]) == (f"changed-{name}", 3), key
        assert loaded["hooks"] == ["record_completion"], key
        assert loaded["class"] == type(getattr(flows, name)).__name__, key
        assert loaded["threads"] == (2 if name in FLOWS else None), key
        assert loaded["tags"] == (["changed"] if name in TASKS else []), key


@pytest.mark.parametrize("name", FLOWS)
def test_flow_loaded_by_path_runs_in_another_process(
    subprocess_results: tuple[Path, dict[str, Any]], name: str
) -> None:
    folder, printed = subprocess_results
    assert printed[f"path-{name}"]["state"] == "COMPLETED", printed[f"path-{name}"]
    assert not printed[f"path-{name}"]["loaded"]["is_module_object"]
    assert flow_wrote_files(name, folder / f"path-{name}")


@pytest.mark.parametrize("name", NAMES)
def test_each_pickle_protocol_keeps_originals_and_copies(name: str) -> None:
    original, changed = getattr(flows, name), changed_copy(name)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(original, protocol)) is original
        copied = pickle.loads(pickle.dumps(changed, protocol))
        assert (copied.fn, copied.name, copied.retries) == (original.fn, f"changed-{name}", 3)
        assert copied.on_completion_hooks == [record_completion]


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy])
def test_copied_flows_and_tasks_are_independent(make_copy: Callable[[Any], Any]) -> None:
    for original in (getattr(flows, name) for name in NAMES):
        copied = make_copy(original)
        copied.name = "another"
        assert type(copied) is type(original)
        assert original.name != "another"
        assert pickle.loads(pickle.dumps(copied)).name == "another"


def test_pickled_copy_keeps_notebook_hooks(tmp_path: Path) -> None:
    notebook: dict[str, Any] = {"__name__": "__main__"}
    exec("def hook(flow, run, state):\n    return 'called'", notebook)
    for original in (flows.sync, flows.download_asset):
        pickled = cloudpickle.dumps(original.with_options(on_completion=[notebook["hook"]]))
        (hook,) = pickle.loads(pickled).on_completion_hooks
        assert hook(None, None, None) == "called"


async def test_flow_runs_in_a_subprocess(
    prefect_server: None, sources: Path, tmp_path: Path
) -> None:
    process = run_flow_in_subprocess(
        flows.sync, parameters=flow_parameters("sync", sources, tmp_path)
    )
    await asyncio.to_thread(process.join)
    assert process.exitcode == 0
    assert flow_wrote_files("sync", tmp_path)
