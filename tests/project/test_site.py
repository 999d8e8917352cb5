"""The documentation site: pages, links and generated references."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeGuard

import pytest

from prefect_stac_asset.flows.execution import state_names
from prefect_stac_asset.flows.execution.event_names import EVENTS
from prefect_stac_asset.flows.execution.state_names import STATES
from scripts.site_pages.command_page import commands
from scripts.site_pages.error_page import cause_and_cure, error_classes
from stac_asset import Config
from stac_asset.cli.app import EXIT_CODES
from stac_asset.errors import StacAssetError
from tests.support.paths import ROOT

STATE_FUNCTIONS = {"Completed", "Failed", "Cancelled", "Paused", "Suspended", "Crashed"}
"""Functions of Prefect that return a state."""


class Resources(HTMLParser):
    """Collects the URLs that a browser requests to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in ("canonical", "next", "prev"):
            return
        name = "href" if tag == "link" else "src"
        if tag in ("link", "script", "img", "iframe", "source") and values.get(name):
            self.urls.append(str(values[name]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, built as by `make docs`: each warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def text_of(site: Path, page: str) -> str:
    """Return the HTML of a page."""
    return (site / page).read_text(encoding="utf-8")


def test_pages_need_no_network(site: Path) -> None:
    for path in site.rglob("*.html"):
        resources = Resources()
        resources.feed(path.read_text(encoding="utf-8"))
        remote = [url for url in resources.urls if re.match(r"(https?:)?//", url)]
        assert remote == [], path


def test_generated_pages_replace_the_pages_of_the_repository(site: Path) -> None:
    for path in (ROOT / "docs" / "reference").glob("*.md"):
        assert "make docs" not in text_of(site, f"reference/{path.stem}.html"), path


def test_pictures_exist_for_the_light_and_the_dark_theme(site: Path) -> None:
    text = text_of(site, "tutorial.html")
    assert 'src="images/tutorial-run.png#only-light"' in text
    assert 'src="images/tutorial-run-dark.png#only-dark"' in text


def test_code_has_no_backslash_before_a_pipe(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert re.search(r"<td>[^\n]*<code>[^<]*\\\|", path.read_text(encoding="utf-8")) is None, (
            path
        )


def test_rows_of_tables_are_not_shown_as_text(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = re.sub(r"<pre>.*?</pre>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "|--" not in text, path


def test_navigation_of_the_explanations_begins_with_the_architecture(site: Path) -> None:
    text = text_of(site, "index.html")
    assert 'href="architecture.html" class="md-tabs__link"' in text
    assert 'href="decisions/index.html" class="md-nav__link' in text


def test_page_of_options_lists_every_field(site: Path) -> None:
    text = text_of(site, "reference/options.html")
    for field in dataclasses.fields(Config):
        assert f"<code>{field.name}</code>" in text
        assert f"STAC_ASSET_{field.name.upper()}" in text
    assert "<code>EARTHDATA_PAT</code>" in text


def test_page_of_the_command_line_has_the_help_of_every_command(site: Path) -> None:
    text = text_of(site, "reference/command-line.html")
    paths = [path for path, _ in commands()]
    assert {"stac-asset sync", "stac-asset blocks check", "stac-asset init"} <= set(paths)
    for path in paths:
        assert f'id="{path.replace(" ", "-")}"' in text
    for code in EXIT_CODES:
        assert f"<td>{code}</td>" in text


def test_every_command_has_an_option_for_json() -> None:
    without = {
        path
        for path, command in commands()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == {"stac-asset"}


def test_pages_of_flows_and_blocks_list_parameters_and_fields(site: Path) -> None:
    assert "Criteria that select the items to mirror." in text_of(site, "reference/flows.html")
    assert "Personal access token" in text_of(site, "reference/blocks.html")
    assert "download_assets" in text_of(site, "reference/tasks.html")


def test_pages_list_states_events_and_metrics(site: Path) -> None:
    states = text_of(site, "reference/states.html")
    assert all(f"<code>{state.name}</code>" in states for state in STATES)
    events = text_of(site, "reference/events.html")
    assert all(f"<code>{event.name}</code>" in events for event in EVENTS)
    metrics = text_of(site, "reference/metrics.html")
    assert "<code>stac_asset_retries_total</code>" in metrics
    assert "<code>reason</code>" in metrics


def test_described_states_are_those_that_flows_and_tasks_return() -> None:
    described = {state.name for state in STATES}
    constants = vars(state_names)
    for path in sorted((ROOT / "flows").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in STATE_FUNCTIONS:
                names = [
                    one for word in call.keywords if word.arg == "name" for one in ast.walk(word)
                ]
                texts = [one.value for one in names if isinstance(one, ast.Constant) and one.value]
                used = [constants[one.id] for one in names if is_constant(one)]
                assert {*texts, *used} <= described, (path, call.lineno)


def is_constant(node: ast.AST) -> TypeGuard[ast.Name]:
    """Return whether a name is that of a constant."""
    return isinstance(node, ast.Name) and node.id.isupper()


def test_described_events_are_those_in_the_code() -> None:
    described = {event.name for event in EVENTS}
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "flows").rglob("*.py"))
    found = re.findall(r'"(stac[_-]asset\.(?:item|items|run|destination|audit|budget)\.\w+)"', text)
    assert set(found) == described
    assert len(found) == len(described)


def test_page_of_the_library_has_docstrings(site: Path) -> None:
    text = text_of(site, "reference/library.html")
    assert "stac_asset.api.collections.download_item" in text
    assert "keep_non_downloaded" in text


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_has_a_cause_and_a_cure(error: type[StacAssetError]) -> None:
    cause, cure = cause_and_cure(error)
    assert cause.endswith(".")
    assert cure.endswith(".")
